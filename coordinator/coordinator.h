#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/snapshot.h"
#include "coordinator/control.pb.h"
#include "coordinator/job_observer.h"
#include "coordinator/job_state.h"
#include "coordinator/measure.h"
#include "coordinator/segment_plan.h"
#include "coordinator/snapshot_taker.h"
#include "run/run_folder.h"

namespace cf {

/// Runs a job: epochs, segment by segment, their validation, and the end. It computes nothing
/// itself; it tells every member what to do, adds up what they answer and says to the observers
/// what happened. What the figures decide is JobState's, when a snapshot is due SnapshotTaker's,
/// and where a segment ends SegmentPlan's.
///
/// Owner:      Leader.
/// Threads:    the leader's first thread, which executes its own commands too.
/// Bounds:     one command under way; a request to stop is heard between two segments.
/// Invariants: what the members compute depends on neither the segments nor the snapshots.
class Coordinator {
 public:
  struct Options {
    Job job;
    std::uint64_t generation = 0;
    const RunFolder* folder = nullptr;  ///< Borrowed, as are the others.
    const TrainingData* data = nullptr;
    const Snapshot* snapshot = nullptr;  ///< Where the rows come from; null for a new model.
    std::set<std::string> damaged_snapshots = {};  ///< CollectOptions::damaged.
    bool segments_by_time = false;                 ///< SegmentPlan.
    JobObserver* observer = nullptr;
    ExecuteCommand execute;
    /// Whether a signal asked for a snapshot and a clean end. A request in the run folder does too.
    std::function<bool()> stop_requested;
    /// Called between two segments once a snapshot was committed, when least is lost by an end: an
    /// error is one. May be empty. As the next, it is told how many epochs may be left.
    std::function<absl::Status(double epochs_left)> on_snapshot = {};
    /// Whether on_snapshot would end the job now: then training does not go on behind a snapshot, but
    /// waits for it, so that nothing is trained twice. May be empty: never.
    std::function<bool(double epochs_left)> waits_for_snapshot = {};
  };

  static absl::StatusOr<Coordinator> Open(Options options);

  /// Trains to the end of the job, or to the next boundary of a segment after stop_requested.
  absl::StatusOr<Verdict> Run();

 private:
  using Clock = std::chrono::steady_clock;

  Coordinator(Options options, SnapshotTaker snapshots);

  // A model that starts from the baseline is a candidate for the best as it is: small data may have
  // nothing to teach it.
  absl::Status MeasureStart();
  absl::Status TrainEpoch();
  // Trains the legs from the state's up to `last_leg`; what the members answered. It stays a
  // function of its own, as bench/instructions counts what is done in it.
  [[gnu::noinline]] absl::StatusOr<std::vector<Reply>> TrainSegment(std::uint64_t last_leg);
  Command TrainUntil(std::uint64_t last_leg) const;
  // Ends the job by the first gradient that was refused, or counts it.
  absl::Status HearRefused(const std::vector<Reply>& replies);
  absl::Status CheckLoss();
  absl::Status EndEpoch();
  absl::StatusOr<EpochFigures> Measure();
  absl::Status Validate(EpochFigures& epoch);
  absl::Status LookAfterSnapshot();
  absl::Status TakeSnapshot(SnapshotTaker::Need need = SnapshotTaker::Need::kNow);
  // The one under way, if any; of a job that fails by its figures, too, since its rows were sound.
  absl::Status FinishSnapshot();
  absl::StatusOr<Verdict> Conclude();
  absl::Status CheckConverging();
  absl::Status Warn();

  Figures TrainingFigures() const;
  EpochProgress Progress() const;
  bool StopRequested();

  Options options_;
  SnapshotTaker snapshots_;
  JobState state_;
  SegmentPlan plan_;
  bool stopped_ = false;           // By request.
  bool ranking_told_ = false;      // What ranking is made on was said.
  Clock::time_point looked_ = {};  // For a request in the run folder.
  std::uint64_t commits_ = 0;      // Snapshots that on_snapshot was called after.
  double train_seconds_ = 0;       // Of this epoch, in this process.
  std::uint64_t train_samples_ = 0;
  std::uint64_t skipped_ = 0;           // Gradients, in this process,
  std::uint64_t skipped_in_epoch_ = 0;  // and in this epoch of it.
  // Of snapshots, when the last epoch's line was made and when the last segment was told.
  double pause_at_line_ = 0;
  double pause_at_segment_ = 0;
};

}  // namespace cf
