#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/mesh.h"
#include "coordinator/control.pb.h"

namespace cf {

/// The control messages that this rank has received and not read yet.
///
/// Owner:   RunGeneration.
/// Threads: Deliver and Close on the mesh's I/O thread; Await on the rank's first thread. The mutex
/// is there because messages change
///          threads here.
/// Bounds:  the coordinator has one command under way, and a member one reply.
class ControlLink {
 public:
  explicit ControlLink(int ranks) : inbox_(static_cast<std::size_t>(ranks)) {}

  /// A message that does not parse closes the link.
  void Deliver(int from, const Message& message);

  /// The next message of rank `from`; waits for it. The link's error once it is closed and nothing
  /// is left to read.
  absl::StatusOr<Envelope> Await(int from);

  /// Wakes whoever waits with `why`. The first call counts. Requires: !why.ok().
  void Close(const absl::Status& why);

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::deque<Envelope>> inbox_;  // By rank.  Guarded by mutex_, as is what follows.
  absl::Status closed_;
};

/// Sends `envelope` as a control frame.
void SendControl(Mesh& mesh, int to, const Envelope& envelope);

}  // namespace cf
