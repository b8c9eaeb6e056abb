#include "coordinator/profile_observer.h"

#include <absl/strings/str_cat.h>

namespace cf {

absl::Status ProfileObserver::EpochBegan(const EpochProgress& /*progress*/) {
  epoch_ = {};
  return absl::OkStatus();
}

absl::Status ProfileObserver::SegmentTrained(const TrainedSegment& segment) {
  epoch_.Add(segment);
  job_.Add(segment);
  return absl::OkStatus();
}

absl::Status ProfileObserver::EpochEnded(const FinishedEpoch& epoch) {
  console_->LogOnly(epoch_.Text(absl::StrCat("epoch ", epoch.figures.epoch)));
  return absl::OkStatus();
}

absl::Status ProfileObserver::TrainingEnded() {
  console_->Line(job_.Text("this run of the job"));
  return absl::OkStatus();
}

}  // namespace cf
