#pragma once

#include <absl/status/status.h>

#include "coordinator/console.h"
#include "coordinator/job_observer.h"
#include "coordinator/profile_table.h"

namespace cf {

/// Shows where the time went: a table for each epoch in the log, and one for all of them.
///
/// Owner:   Leader, where `--profile` asks for it.
/// Threads: one.
class ProfileObserver final : public JobObserver {
 public:
  /// `console` is borrowed.
  explicit ProfileObserver(Console* console) : console_(console) {}

  absl::Status EpochBegan(const EpochProgress& progress) override;
  absl::Status SegmentTrained(const TrainedSegment& segment) override;
  absl::Status EpochEnded(const FinishedEpoch& epoch) override;
  absl::Status TrainingEnded() override;

 private:
  Console* console_;
  ProfileTable epoch_;
  ProfileTable job_;
};

}  // namespace cf
