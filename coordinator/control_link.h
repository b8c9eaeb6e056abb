#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/mesh.h"
#include "coordinator/control.pb.h"

namespace cf {

/// The commands and replies that this rank has received and not read yet.
///
/// Owner:   Participant.
/// Threads: Deliver on the mesh's I/O thread; Close on any; Await on the rank's first thread. The
///          mutex is there because messages change threads here.
/// Bounds:  kWaitingMax messages of each rank: the leader has one command under way, and a member
///          one reply.
/// Invariants: whoever waits is woken by a message or by Close, which the participant calls when
///             the mesh loses a rank, a rank breaks the protocol, or the leader calls one hung.
class ControlLink {
 public:
  /// One that is read while the next arrives.
  static constexpr std::size_t kWaitingMax = 2;

  explicit ControlLink(int ranks) : inboxes_(static_cast<std::size_t>(ranks)) {}

  /// Takes a message of rank `from` in. DataLoss: it has sent more than it may.
  absl::Status Deliver(int from, Envelope envelope);

  /// The next message of rank `from`; waits for it. The link's error once it is closed and nothing
  /// is left to read.
  absl::StatusOr<Envelope> Await(int from);

  /// Wakes whoever waits with `why`. The first call counts. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  struct Inbox {
    std::deque<Envelope> waiting;
    std::uint32_t taken = 0;
    std::atomic<std::uint32_t> delivered{0};  // Whoever watches may look.
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Inbox> inboxes_;  // By rank. Guarded by mutex_, as is what follows.
  absl::Status closed_;
};

/// The envelope in a control frame of rank `from`. DataLoss: there is none.
absl::StatusOr<Envelope> ParseControl(int from, const Message& message);

/// Sends `envelope` as a control frame.
void SendControl(Mesh& mesh, int to, const Envelope& envelope);

}  // namespace cf
