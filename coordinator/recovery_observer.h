#pragma once

#include <chrono>

#include <absl/status/status.h>

#include "coordinator/console.h"
#include "coordinator/job_observer.h"

namespace cf {

/// Says once how long a loss that was survived in place has cost, when the first steps are applied again.
///
/// Owner:   Leader, of a generation that follows such a loss.
/// Threads: one.
class RecoveryObserver final : public JobObserver {
 public:
  /// `console` is borrowed.
  RecoveryObserver(Console* console, std::chrono::steady_clock::time_point lost_at)
      : console_(console), lost_at_(lost_at) {}

  absl::Status SegmentTrained(const TrainedSegment& segment) override;

 private:
  Console* console_;
  const std::chrono::steady_clock::time_point lost_at_;
  bool told_ = false;
};

}  // namespace cf
