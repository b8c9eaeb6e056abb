#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/snapshot_store.h"
#include "coordinator/job_observer.h"
#include "coordinator/job_state.h"
#include "coordinator/measure.h"

namespace cf {

/// Takes the snapshots of a job: knows when one is due, has every member write its files, and
/// commits what they wrote.
///
/// Owner:      Coordinator.
/// Threads:    the leader's first.
/// Bounds:     one command under way; keeps as many snapshots as the job asks for, and the best.
/// Invariants: no row that is not finite is committed; members are told of a snapshot only when it
///             is committed.
class SnapshotTaker {
 public:
  struct Options {
    Job job;
    std::uint64_t generation = 0;
    std::string folder;                  ///< Of all snapshots of the run.
    const TrainingData* data = nullptr;  ///< Borrowed.
    ExecuteCommand execute;
    bool resumed = false;  ///< There is a snapshot already.
  };
  /// Errors are SnapshotStore's.
  static absl::StatusOr<SnapshotTaker> Open(Options options);

  /// Whether one is due in the middle of an epoch, after the steps since `step_before`.
  bool IsDueSince(std::uint64_t step_before, const JobState& state) const;
  /// Whether one is due at the end of an epoch, apart from those of the best epoch and of the job.
  bool IsDueAtEpoch(const JobState& state) const;

  /// Takes one of `state`, which is to be at a rest, and has its files and best snapshot brought up
  /// to date; nothing where this generation has one of the same step. Observers are told of it.
  absl::Status Take(const EpochProgress& progress, JobState& state, JobObserver& observer);

  /// The manifest of a snapshot that is taken now.
  Manifest ManifestOf(const JobState& state) const;

  bool has_snapshot() const { return options_.resumed || last_step_.has_value(); }

 private:
  using Clock = std::chrono::steady_clock;

  SnapshotTaker(Options options, SnapshotStore store);

  absl::Status WriteRows(JobState& state);

  Options options_;
  SnapshotStore store_;
  // Of the last one of this generation. Files are named by it: of legs that end with the same step
  // (blocks of few samples), the first is kept.
  std::optional<std::uint64_t> last_step_;
  Clock::time_point last_time_ = Clock::now();
};

}  // namespace cf
