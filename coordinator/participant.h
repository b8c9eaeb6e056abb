#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/activity.h"
#include "common/rpc/mesh.h"
#include "coordinator/control.pb.h"
#include "coordinator/control_link.h"
#include "coordinator/kept_work.h"
#include "coordinator/member.h"
#include "coordinator/progress.h"
#include "coordinator/roster.h"
#include "coordinator/survival.h"
#include "coordinator/training_data.h"
#include "coordinator/watch.h"

namespace cf {

/// What the job's cluster.frames asks of connections.
FrameProtection ProtectionOf(Cluster::Frames frames);

/// What every member of a generation is, whoever leads it: connected to the others, ready to play
/// its part in the work, and told when the generation has ended.
///
/// It also watches how its own threads get on, and tells the leader, which judges: a thread of any
/// rank that works and does not tick for cluster.progress_timeout_seconds hangs, and its rank is
/// lost. As such a thread can end nothing, a process that is told so, or finds it of itself when
/// the generation has ended, is ended by another of its threads (on_hang).
///
/// Owner:      RunGeneration.
/// Threads:    one, the rank's first, for all but End and end, which may be called from any; the
///             mesh's I/O thread hands messages in, and the watch's thread looks and judges.
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
    MakeRowStore make_store = {};                         ///< The rank's; empty: by PlanStorage.
    std::function<void(const std::string& line)> on_log;  ///< Called on any thread.
    /// Ends the process, which cannot end otherwise; called on a thread that does not hang.
    std::function<void(const GenerationEnd& end)> on_hang;
    /// How long Connect may take where that is less than cluster.timeout_seconds; zero: as long.
    std::chrono::milliseconds connect_limit{0};
    bool data_checked = false;  ///< The bytes of the data set, by a generation before.
    KeptWork kept = {};         ///< By that, too.
  };
  explicit Participant(Options options);

  const GenerationNote& note() const { return options_.note; }
  const Job& job() const { return options_.note.job(); }
  const Roster& roster() const { return options_.roster; }
  int rank() const { return options_.rank; }
  bool leads() const { return rank() == roster().leader(); }
  const std::string& host() const { return roster().at(rank()).host; }
  /// Where rows are that memory has no room for.
  std::string rows_directory() const;

  /// The activity of this rank's first thread.
  Activity& activity() { return activities_.front(); }

  /// Connects to all others, where there are any, and begins to watch. DeadlineExceeded names those
  /// who did not come.
  absl::Status Connect();

  /// Says goodbye to the others but one who is lost, and waits for theirs. To be called once, when
  /// there is an end.
  void Leave();

  /// What is known of the others beside the end, and of the data. Complete after Leave.
  Aftermath aftermath() const;

  /// What the next generation in this process may begin with. To be called after Leave; nothing of the
  /// work may be asked for any more.
  KeptWork KeepWork();

  /// Gives back what the work has taken of memory: rows, samples and the data set. Nothing of them may
  /// be asked for any more. To be called after Leave.
  void FreeWork();

  void Send(int to, const Envelope& envelope) { SendControl(*mesh_, to, envelope); }
  /// The next command or reply of rank `from`; the error of the end where there will be none.
  absl::StatusOr<Envelope> Await(int from) { return link_.Await(from); }

  /// Plays this rank's part of `command`.
  absl::StatusOr<Reply> Execute(const Command& command);

  /// Who has which partitions; before SetUp was executed: who had them in the generation before.
  const std::map<MemberId, SeatRange>& places() const { return places_; }

  /// Whether it has the data of all users.
  bool has_all_data() const { return data_.has_value() && data_->split.whole(); }
  /// Those, so that SetUp need not open its part: the leader looks at them first.
  void Adopt(TrainingData data) { data_.emplace(std::move(data)); }
  /// Requires: adopted, or SetUp was executed.
  const TrainingData& data() const { return *data_; }
  /// What the rows come from; null for a new model. Requires: SetUp was executed.
  const Snapshot* snapshot() const { return snapshot_.has_value() ? &*snapshot_ : nullptr; }

  /// The generation has ended so. The first call counts; whether this one is it.
  bool End(const GenerationEnd& end);
  /// How, once it has.
  std::optional<GenerationEnd> end() const;
  /// What a follower makes of the end that it knows once it has left: of a loss, which each notices
  /// for itself, what the leader has said, if it could still say something.
  GenerationEnd SettledEnd() const;
  /// The end that `error` came from: the known one, or else a failure that `speaker` tells.
  GenerationEnd EndBy(const absl::Status& error, int speaker) const;

 private:
  absl::Status ConnectMesh();
  void OnMessage(int from, Message message);
  absl::Status OnControl(int from, const Message& message);
  void OnGone(int peer, const std::string& how, bool whole_host);
  // On the watch's thread.
  void Look(std::chrono::milliseconds elapsed);
  void JudgeAll(std::chrono::milliseconds elapsed, const Progress& own);
  void JudgeAfterTheEnd(const Progress& own);
  absl::StatusOr<Reply> SetUpMember(const SetUp& set_up);
  absl::Status OpenData(const SetUp& set_up);
  // Of a SetUp that failed: damage of the snapshot is an answer, and not the end.
  absl::StatusOr<Reply> ReplyTo(const absl::Status& not_set_up);
  void FreeMember();

  Options options_;
  const std::chrono::milliseconds limit_;  // Of a thread that does not tick.
  std::vector<Activity> activities_;       // By compute thread; behind them the snapshot writer's.
  ProgressProbe probe_;                    // Of the watch's thread.
  ControlLink link_;
  std::optional<Snapshot> snapshot_;
  std::optional<TrainingData> data_;
  std::map<MemberId, SeatRange> places_;
  KeptPartitions kept_partitions_;  // Between two members.
  bool data_checked_;               // Its bytes, against its manifest: this rank's share,
  bool data_checked_by_all_;        // and everybody's.
  std::optional<Placement> placement_;
  // The work, the I/O thread and the watch may notice the end, and the last two share the table.
  mutable std::mutex mutex_;
  std::optional<GenerationEnd> end_;          // Guarded by mutex_,
  std::optional<GenerationEnd> leaders_end_;  // as is what the leader has told,
  std::chrono::steady_clock::time_point ended_at_ = {};
  std::set<int> closed_;    // whose connections have ended,
  std::set<int> silent_;    // who was not heard,
  ProgressTable progress_;  // and this, the leader's.
  // Null in a job of one rank. Its handlers use what stands above and below.
  std::unique_ptr<Mesh> mesh_;
  std::unique_ptr<Member> member_;
  std::mutex exchange_mutex_;                  // Held by who closes the exchange or changes it.
  std::atomic<Exchange*> exchange_ = nullptr;  // The member's, for other threads.
  std::optional<Watch> watch_;                 // Looks at all of the above.
};

}  // namespace cf
