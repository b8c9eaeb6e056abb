#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/snapshot_store.h"
#include "coordinator/console.h"
#include "coordinator/control.pb.h"
#include "coordinator/job_state.h"
#include "coordinator/measure.h"
#include "coordinator/member.h"
#include "coordinator/profile_table.h"
#include "paramserver/optimizer.h"
#include "run/history.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// Runs a job: epochs, validation, early stopping, snapshots, the record and the display. It
/// computes nothing itself; it tells every member what to do and adds up what they answer.
///
/// Owner:      Leader.
/// Threads:    the leader's first thread, which executes its own commands too.
/// Bounds:     one command under way; a segment of steps is about kSegment long, which is how soon
///             a request to stop is heard.
/// Invariants: what the members compute depends on neither the segments nor the snapshots.
class Coordinator {
 public:
  struct Options {
    Job job;
    std::uint64_t generation = 0;
    const RunFolder* folder = nullptr;  ///< Borrowed, as are the others.
    const TrainingData* data = nullptr;
    const Snapshot* snapshot = nullptr;  ///< Where the rows come from; null for a new model.
    Console* console = nullptr;
    ExecuteCommand execute;
    /// Whether a signal asked for a snapshot and a clean end. A request in the run folder does too.
    std::function<bool()> stop_requested;
    bool profile = false;   ///< Whether the tables of the profile are shown.
    RunStatus status = {};  ///< What is known from the start: the hosts, the generation.
  };

  static absl::StatusOr<Coordinator> Open(Options options);

  /// Trains to the end of the job, or to the next boundary of a segment after stop_requested.
  absl::StatusOr<Verdict> Run();

 private:
  using Clock = std::chrono::steady_clock;

  Coordinator(Options options, SnapshotStore store, History history);

  absl::Status TrainEpoch();
  std::uint64_t NextBoundary() const;
  absl::Status TrainSegment(std::uint64_t last_part);
  absl::Status LossNotFinite();
  absl::Status EndEpoch();
  void ObservePlateau(const EpochFigures& epoch);
  Figures TrainingFigures() const;
  absl::StatusOr<EpochFigures> Measure();
  absl::Status Validate(EpochFigures& epoch);
  bool SnapshotIsDue(bool improved) const;
  absl::Status TakeSnapshot();
  // The error that names `figure`, unless it is empty, and the rows in `replies`; ok without any.
  absl::Status NotFinite(const std::string& figure, const std::vector<Reply>& replies) const;
  Manifest MakeManifest() const;
  EpochProgress Progress() const;

  bool StopRequested();
  void Tell(RunStatus::Phase phase);
  void TellNowAndThen();

  Options options_;
  SnapshotStore store_;
  History history_;
  JobState state_;
  OptimizerRule optimizer_;
  bool stopped_ = false;       // By request.
  bool ranking_told_ = false;  // What ranking is made on was said.

  // Of the last snapshot of this generation. Files are named by it: of parts that end with the same
  // step (blocks of few samples), the first is kept.
  std::optional<std::uint64_t> snapshot_step_;
  Clock::time_point snapshot_time_ = Clock::now();
  Clock::time_point told_ = {};
  Clock::time_point looked_ = {};  // For a request in the run folder.
  double seconds_per_part_ = 0;    // As last measured; 0 before.
  double train_seconds_ = 0;       // Of this epoch, in this process.
  std::uint64_t train_samples_ = 0;
  ProfileTable epoch_profile_;
  ProfileTable job_profile_;
};

}  // namespace cf
