#pragma once

#include <array>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/handshake.h"
#include "common/rpc/shared_region.h"

namespace cf {

/// Two descriptors of shared memory that one rank hands to another: the rings that the receiver
/// writes, and the doorbells that it rings.
inline constexpr std::size_t kFdsHanded = 2;
using HandedFds = std::array<UniqueFd, kFdsHanded>;

/// A Unix socket at which other ranks of this host hand descriptors in. Its name is random and
/// abstract (no file), and what comes in must carry a token that only those know who were told it
/// over the mesh, and come from a process of the same user.
///
/// Owner:   SharedChannel.
/// Threads: one at a time.
/// Bounds:  what waits at the door waits in the kernel, kWaitingMax of them.
class SideDoor {
 public:
  static constexpr int kWaitingMax = 1024;

  static absl::StatusOr<SideDoor> Open();

  const std::string& name() const { return name_; }
  const JobKey& token() const { return token_; }

  struct Visit {
    int from = 0;  ///< The rank that handed in.
    HandedFds fds;
  };
  /// The next of those who have handed in; who does not have the token is sent away. Nothing where
  /// nobody is at the door. Never waits.
  std::optional<Visit> Next();

 private:
  UniqueFd socket_;
  std::string name_;
  JobKey token_{};
};

/// Hands descriptors in at another rank's door. An error where there is no such door here (the rank
/// is on another host, or in another network namespace) or it is crowded. Never waits.
absl::Status HandIn(const std::string& door, const JobKey& token, int from,
                    const std::array<int, kFdsHanded>& fds);

/// What ranks have in common that can reach each other's side doors: the boot and the network
/// namespace. Empty where the system does not tell.
std::string HostIdentity();

}  // namespace cf
