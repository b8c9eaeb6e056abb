#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/snapshot_store.h"
#include "coordinator/job_observer.h"
#include "coordinator/job_state.h"
#include "coordinator/measure.h"

namespace cf {

/// Takes the snapshots of a job: knows when one is due, has every member copy its rows and write
/// its files behind training, and commits what they wrote.
///
/// What the disk does not take is tried again while training goes on: files from the copies of the
/// rows, so that the snapshot is still of its cut; where there are none, from a new cut. It is told
/// once, older snapshots are collected where there is no room (never the newest), and after
/// snapshot.give_up_seconds it is an error. Training waits only for a snapshot that it cannot do
/// without and of which there are no copies: of the best epoch, and the last.
///
/// Owner:      Coordinator.
/// Threads:    the leader's first; while training goes on, the manifest is committed on another.
/// Bounds:     one snapshot under way: one that falls due meanwhile in mid-epoch waits for a later
///             segment, and one at the end of an epoch for the one before, unless that cannot be
///             written: then a better one takes its place, and others wait for a later segment. Keeps as many snapshots as
///             the job asks for, the best, and one that shares no file with the newest.
/// Invariants: no row that is not finite is committed; members are told of a snapshot only when it
///             is committed; a snapshot that is not leaves everything as it was before it.
class SnapshotTaker {
 public:
  struct Options {
    Job job;
    std::uint64_t generation = 0;
    std::string folder;                  ///< Of all snapshots of the run.
    const TrainingData* data = nullptr;  ///< Borrowed.
    ExecuteCommand execute;
    bool resumed = false;                ///< There is a snapshot already.
    std::set<std::string> damaged = {};  ///< CollectOptions::damaged.
    std::function<std::chrono::steady_clock::time_point()> now = &std::chrono::steady_clock::now;
    std::function<void(std::chrono::milliseconds)> sleep = {};  ///< Empty: that of the system.
    std::function<bool()> stop_requested = {};  ///< Heard while a disk is waited for; empty: never.
  };
  /// Errors are SnapshotStore's.
  static absl::StatusOr<SnapshotTaker> Open(Options options);

  /// Whom a snapshot is told to, and how far the job is then.
  struct Listener {
    const EpochProgress& progress;
    JobObserver& observer;
  };

  /// Takes in what members answered to a segment: commits the snapshot under way when all its files
  /// are there. The error of a commit that failed.
  absl::Status Hear(std::span<const Reply> replies, JobState& state, const Listener& listener);

  /// Takes a snapshot if one is due in the middle of an epoch, after the steps since `step_before`,
  /// unless one is under way: then it is taken at a later call.
  absl::Status TakeIfDue(std::uint64_t step_before, JobState& state, const Listener& listener);

  /// Whether one is due at the end of an epoch, apart from those of the best epoch and of the job.
  bool IsDueAtEpoch(const JobState& state) const;

  /// Whether training may go on without the snapshot that is to be taken.
  enum class Need : std::uint8_t { kMayWait, kNow };

  /// Begins one of `state`, which is to be at a rest, after the one under way; nothing where this
  /// generation has one of the same step, nor, for now, where it may wait and the disk takes none.
  /// `state` knows at once that it is the best one, if it is, and its files when it is committed.
  absl::Status Take(JobState& state, const Listener& listener, Need need = Need::kNow);

  /// Waits until the snapshot under way, if any, is committed.
  absl::Status Finish(JobState& state, const Listener& listener);

  /// The same, unless something keeps it from being written: then it is still under way afterwards.
  absl::Status TryToFinish(JobState& state, const Listener& listener);

  /// At the end of the job: collects what could not be collected when the last snapshot was committed,
  /// if anything, as nobody comes who would. What still cannot be only takes room, and was told.
  void Tidy();

  /// From now on a disk that takes no snapshot is waited for half a minute at most: somebody waits for
  /// the job to end, and the last snapshot stays.
  void Hurry();

  /// The manifest of a snapshot that is taken now.
  Manifest ManifestOf(const JobState& state) const;

  bool has_snapshot() const { return options_.resumed || commits_ > 0; }

  /// How many were committed so far.
  std::uint64_t commits() const { return commits_; }

  /// How long training has waited for snapshots so far.
  std::chrono::duration<double> pause() const { return pause_; }

 private:
  using Clock = std::chrono::steady_clock;
  /// What committing a manifest came to, and collecting what is not kept any more.
  struct Outcome {
    absl::Status committed;
    absl::Status collected;
  };
  /// A snapshot between its cut and its commit.
  struct UnderWay {
    Manifest manifest;                           // Of the cut, but for the files.
    std::vector<std::vector<FileEntry>> chains;  // By partition.
    std::vector<bool> told;                      // By rank: its files are there.
    std::future<Outcome> commit;                 // From when all are.
  };
  class PauseClock;

  SnapshotTaker(Options options, SnapshotStore store);

  bool IsDueSince(std::uint64_t step_before, const JobState& state) const;
  // Nothing is under way afterwards where the disk did not take it.
  absl::Status Begin(JobState& state, const Listener& listener);
  absl::Status BeginOnceItCan(JobState& state, const Listener& listener);
  absl::StatusOr<std::vector<Reply>> WriteRows(const JobState& state);
  // Gives up the snapshot under way, or the cut that failed.
  absl::Status Drop(JobState& state);
  // Adds the files that members tell of, and hears what keeps others; begins to commit when nobody's
  // are missing.
  absl::Status AddFiles(std::span<const Reply> replies, const Listener& listener);
  // Tells it, makes room where that may help, and is its error when it has lasted too long.
  absl::Status HearTrouble(const absl::Status& why, const Listener& listener);
  absl::Status MakeRoom(const Listener& listener);
  void Sleep();
  static bool HasAllFiles(const UnderWay& snapshot);
  void BeginCommit();
  absl::Status EndCommit(JobState& state, const Listener& listener);
  CollectOptions Keeping(std::size_t snapshots) const;

  Options options_;
  SnapshotStore store_;
  std::optional<UnderWay> under_way_;
  // Of the last one of this generation, committed or under way. Files are named by it: of legs that
  // end with the same step (blocks of few samples), the first is kept.
  std::optional<std::uint64_t> last_step_;
  // Of the last Write: what was not committed has used the names of its attempt.
  std::optional<std::uint64_t> written_step_;
  std::uint32_t attempt_ = 0;
  Clock::time_point last_time_;  // Of the last cut.
  absl::Status trouble_;         // What keeps snapshots from being written; OK: nothing.
  Clock::time_point trouble_since_;
  Clock::time_point retry_time_;  // When the leader's part is tried again.
  std::optional<Clock::time_point> hurry_until_;
  std::size_t room_for_;       // As many snapshots are kept while there is no room for more.
  std::uint64_t commits_ = 0;  // Of this generation.
  bool is_untidy_ = false;     // What the last one has made superfluous is there still.
  bool waits_ = false;         // One is due and was not taken.
  bool waiting_told_ = false;
  Clock::duration pause_{};
  Clock::duration pause_before_last_{};  // What pause_ was before the last snapshot.
};

}  // namespace cf
