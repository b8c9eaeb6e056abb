#include "coordinator/recovery_observer.h"

#include <utility>

#include <absl/strings/str_format.h>

namespace cf {

absl::Status RecoveryObserver::SegmentTrained(const TrainedSegment& /*segment*/) {
  if (std::exchange(told_, true)) return absl::OkStatus();
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - ended_at_;
  console_->Line(absl::StrFormat("training goes on, %.2f s after %s", passed.count(),
                                 after_loss_ ? "the loss" : "it stopped"));
  return absl::OkStatus();
}

}  // namespace cf
