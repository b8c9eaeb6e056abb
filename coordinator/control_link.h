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

  /// Takes a message in. An error is one that ends the job: a message that does not parse, or a
  /// member that has lost a rank and says which, before it leaves and would be missed itself.
  absl::Status Deliver(int from, const Message& message);

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

/// The error of a job that has lost a rank, Unavailable; with the host, where the whole of it, or
/// the way to it, is lost and not a process alone.
absl::Status LostRank(const std::string& message, const std::string& lost_host);

/// That host; empty where `error` tells of none.
std::string LostHost(const absl::Status& error);

/// Sends `envelope` as a control frame.
void SendControl(Mesh& mesh, int to, const Envelope& envelope);

}  // namespace cf
