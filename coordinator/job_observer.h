#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/metrics/figures.h"
#include "common/snapshot/manifest.pb.h"
#include "coordinator/control.pb.h"
#include "run/verdict.h"

namespace cf {

/// How far an epoch has come.
struct EpochProgress {
  std::uint32_t epoch = 0;   ///< Counted from 1; after the last epoch it is `epochs` + 1.
  std::uint32_t epochs = 0;  ///< That the job asks for.
  std::uint64_t step = 0;    ///< Done of this epoch.
  std::uint64_t steps = 0;
  double seconds = 0;  ///< Trained in this epoch, by this generation.
  double samples_per_second = 0;
  /// That training waited for snapshots since the last epoch's line, in this generation.
  double pause_seconds = 0;
  Figures figures = {};  ///< Of the samples so far: train_loss, and train_rmse where it is shown.
  std::uint64_t skipped_gradients = 0;  ///< By this generation (optimizer.on_bad_gradient).
};

/// Where a job begins, or goes on.
struct JobStart {
  std::uint32_t finished_epochs = 0;
  const Manifest* snapshot = nullptr;  ///< That it goes on from; null for a new model.
};

/// A segment of steps that all members have trained.
struct TrainedSegment {
  EpochProgress progress;
  std::span<const Reply> replies = {};  ///< By rank.
  std::uint64_t samples = 0;
  std::uint64_t steps = 0;
  double pause_seconds = 0;  ///< That it waited for snapshots since the segment before.
};

/// A finished epoch.
struct FinishedEpoch {
  EpochProgress progress;  ///< At its last step.
  EpochFigures figures = {};
  bool is_best = false;
};

/// Who is told what happens in a job. The coordinator says each thing once and does not know who
/// listens: the display, the history, the status, the profile. By default nothing is done.
///
/// Owner:      Leader.
/// Threads:    the leader's first.
/// Bounds:     the job waits until an observer returns.
/// Invariants: Started comes first and, unless the job fails, Ended last. An error ends the job, so
///             only whom the job cannot do without returns one. What observers do changes nothing
///             that is computed.
class JobObserver {
 public:
  JobObserver() = default;
  virtual ~JobObserver() = default;
  JobObserver(const JobObserver&) = delete;
  JobObserver& operator=(const JobObserver&) = delete;

  virtual absl::Status Started(const JobStart& start);
  /// The model before the first step is a candidate for the best; its snapshot is not taken yet.
  /// `start`: epoch 0, without figures of training.
  virtual absl::Status StartMeasured(const EpochFigures& start);
  virtual absl::Status EpochBegan(const EpochProgress& progress);
  virtual absl::Status SegmentTrained(const TrainedSegment& segment);
  /// The epoch is trained, and its figures will be found.
  virtual absl::Status ValidationBegan(const EpochProgress& progress);
  /// Its figures are known; the snapshot that is due at its end is not taken yet.
  virtual absl::Status EpochMeasured(const FinishedEpoch& epoch);
  virtual absl::Status SnapshotBegan(const EpochProgress& progress);
  /// A snapshot of this moment will be written: what an observer knows that those who go on from it
  /// will lack may be added to its manifest.
  virtual absl::Status SnapshotCut(Manifest& manifest);
  virtual absl::Status SnapshotCommitted(const Manifest& manifest, const EpochProgress& progress);
  /// One cannot be written, and is tried again: told once, until one is committed.
  virtual absl::Status SnapshotHindered(const std::string& line);
  /// All of the epoch is done, its snapshot too.
  virtual absl::Status EpochEnded(const FinishedEpoch& epoch);
  /// Something that a person should know.
  virtual absl::Status Remarked(const std::string& line);
  /// Something about the finished training that whoever ran it should know (WarningsOf).
  virtual absl::Status Warned(const std::string& line);
  /// No more steps are trained; a last snapshot may follow.
  virtual absl::Status TrainingEnded();
  /// What a person should know of how it ended may be added to the verdict, for those behind, too.
  virtual absl::Status Ended(Verdict& verdict);
};

/// Tells several observers, one after the other. The error of the first that fails is returned, and
/// those behind it are not told.
///
/// Owner:   Leader. The observers are borrowed.
/// Threads: one.
class JobObservers final : public JobObserver {
 public:
  explicit JobObservers(std::vector<JobObserver*> observers);

  absl::Status Started(const JobStart& start) override;
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status EpochBegan(const EpochProgress& progress) override;
  absl::Status SegmentTrained(const TrainedSegment& segment) override;
  absl::Status ValidationBegan(const EpochProgress& progress) override;
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override;
  absl::Status SnapshotBegan(const EpochProgress& progress) override;
  absl::Status SnapshotCut(Manifest& manifest) override;
  absl::Status SnapshotCommitted(const Manifest& manifest, const EpochProgress& progress) override;
  absl::Status SnapshotHindered(const std::string& line) override;
  absl::Status EpochEnded(const FinishedEpoch& epoch) override;
  absl::Status Remarked(const std::string& line) override;
  absl::Status Warned(const std::string& line) override;
  absl::Status TrainingEnded() override;
  absl::Status Ended(Verdict& verdict) override;

 private:
  template <class Event>
  absl::Status TellAll(const Event& event);

  std::vector<JobObserver*> observers_;
};

}  // namespace cf
