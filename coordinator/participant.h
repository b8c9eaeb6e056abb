#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/rpc/mesh.h"
#include "coordinator/control.pb.h"
#include "coordinator/control_link.h"
#include "coordinator/member.h"
#include "coordinator/roster.h"
#include "coordinator/training_data.h"

namespace cf {

/// What every member of a generation is, whoever leads it: connected to the others, ready to play
/// its part in the work, and told when the generation has ended.
///
/// Owner:      RunGeneration.
/// Threads:    one, the rank's first, for all but End and end, which may be called from any; the
///             mesh's I/O thread hands messages in.
/// Bounds:     those of Mesh, ControlLink and Member.
/// Invariants: the first end counts. It wakes whatever waits in this process, for a message or for
///             rows, and nothing that a peer does afterwards changes it.
class Participant {
 public:
  struct Options {
    GenerationNote note;
    Roster roster;
    int rank = 0;
    std::optional<Listener> listener = {};  ///< At this rank's endpoint; none in a job of one.
    JobKey key = {};
    MakeRowStore make_store = MakeSlabStore;
    std::function<void(const std::string& line)> on_log;  ///< Called on any thread.
  };
  explicit Participant(Options options);

  const GenerationNote& note() const { return options_.note; }
  const Job& job() const { return options_.note.job(); }
  const Roster& roster() const { return options_.roster; }
  int rank() const { return options_.rank; }
  bool leads() const { return rank() == roster().leader(); }
  const std::string& host() const { return roster().at(rank()).host; }

  /// Connects to all others. DeadlineExceeded names those who did not come. In a job of one it does
  /// nothing.
  absl::Status Connect();

  /// Says goodbye to the others, and waits for theirs. To be called once, when there is an end.
  void Leave();

  void Send(int to, const Envelope& envelope) { SendControl(*mesh_, to, envelope); }
  /// The next command or reply of rank `from`; the error of the end where there will be none.
  absl::StatusOr<Envelope> Await(int from) { return link_.Await(from); }

  /// Plays this rank's part of `command`.
  absl::StatusOr<Reply> Execute(const Command& command);

  /// The data of all users, so that SetUp need not open its part: the leader looks at them first.
  void Adopt(TrainingData data) { data_.emplace(std::move(data)); }
  /// Requires: adopted, or SetUp was executed.
  const TrainingData& data() const { return *data_; }
  /// What the rows come from; null for a new model. Requires: SetUp was executed.
  const Snapshot* snapshot() const { return snapshot_.has_value() ? &*snapshot_ : nullptr; }

  /// The generation has ended so. The first call counts.
  void End(const GenerationEnd& end);
  /// How, once it has.
  std::optional<GenerationEnd> end() const;
  /// The end that `error` came from: the known one, or else a failure that `speaker` tells.
  GenerationEnd EndBy(const absl::Status& error, int speaker) const;

 private:
  void OnMessage(int from, Message message);
  absl::Status OnControl(int from, const Message& message);
  void OnGone(int peer, const std::string& how, bool whole_host);
  absl::StatusOr<Reply> SetUpMember(const SetUp& set_up);
  absl::Status OpenData(const SetUp& set_up);

  Options options_;
  ControlLink link_;
  std::optional<Snapshot> snapshot_;
  std::optional<TrainingData> data_;
  std::optional<Placement> placement_;
  mutable std::mutex mutex_;          // Both the work and the I/O thread may notice the end.
  std::optional<GenerationEnd> end_;  // Guarded by mutex_.
  // Null in a job of one rank. Its handlers use what stands above and below.
  std::unique_ptr<Mesh> mesh_;
  std::unique_ptr<Member> member_;
  std::atomic<Exchange*> exchange_ = nullptr;  // The member's, for other threads.
};

}  // namespace cf
