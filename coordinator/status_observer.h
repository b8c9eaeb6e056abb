#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include <absl/status/status.h>

#include "coordinator/job_observer.h"
#include "run/run_folder.h"
#include "run/status.pb.h"

namespace cf {

/// Keeps the file `status` of a run folder: what the job says of itself while it runs. It never
/// fails, as nothing is decided by it: a disk that is full shows with the next snapshot.
///
/// Owner:   Leader.
/// Threads: one.
/// Bounds:  between two segments it writes once a second, which a file server does not feel, and
///          whenever the phase changes.
class StatusObserver final : public JobObserver {
 public:
  using Clock = std::chrono::steady_clock;
  struct Options {
    const RunFolder* folder = nullptr;  ///< Borrowed.
    RunStatus status = {};              ///< What is known from the start: hosts, generation.
    std::string monitor = {};           ///< The figure that decides which epoch is the best.
    std::uint64_t training_samples = 0;
    std::function<Clock::time_point()> now = &Clock::now;
  };
  explicit StatusObserver(Options options);

  absl::Status Started(const JobStart& start) override;
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status EpochBegan(const EpochProgress& progress) override;
  absl::Status SegmentTrained(const TrainedSegment& segment) override;
  absl::Status ValidationBegan(const EpochProgress& progress) override;
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override;
  absl::Status SnapshotBegan(const EpochProgress& progress) override;
  absl::Status SnapshotCommitted(const Manifest& manifest, const EpochProgress& progress) override;
  absl::Status SnapshotHindered(const std::string& line) override;
  absl::Status Warned(const std::string& line) override;

 private:
  void SetSnapshot(const Manifest& manifest);
  void Write(RunStatus::Phase phase, const EpochProgress& progress);

  const RunFolder* folder_;
  std::uint64_t training_samples_;
  std::function<Clock::time_point()> now_;
  RunStatus status_;
  Clock::time_point written_ = {};
};

}  // namespace cf
