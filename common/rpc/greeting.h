#pragma once

// Private to common/rpc: the handshake of handshake.h, spoken over a socket.

#include <cstdint>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/asio.h"
#include "common/rpc/frame_seal.h"
#include "common/rpc/handshake.h"

namespace cf::rpc {

/// Who we are to a stranger.
struct Introduction {
  JobKey key{};
  std::uint64_t generation = 0;
  int rank = 0;
  int size = 0;
  FrameProtection protection = FrameProtection::kAuthenticated;
};

/// The dialer's side. Unavailable when the other end cannot be heard (the caller may try again),
/// PermissionDenied when it does not know the key or does not take our proof, FailedPrecondition
/// when it is of another generation or protects frames in another way, DataLoss when it does not
/// speak our protocol.
awaitable<absl::StatusOr<FrameSeals>> GreetAsDialer(tcp::socket& socket, const Introduction& self,
                                                    int peer);

/// Who came, and how frames are exchanged with it.
struct Guest {
  int rank = 0;
  FrameSeals seals;
};

/// The listener's side, up to the dialer's proof: the rank that proved itself. What it is owed then
/// is a kWelcome frame. The codes are those of GreetAsDialer.
awaitable<absl::StatusOr<Guest>> GreetAsListener(tcp::socket& socket, const Introduction& self);

}  // namespace cf::rpc
