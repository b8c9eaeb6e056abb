#pragma once

#include <chrono>

#include <absl/status/status.h>

#include "coordinator/console.h"
#include "coordinator/job_observer.h"

namespace cf {

/// Says once how long a loss that was survived in place, or another change of the roster, has cost, when
/// the first steps are applied again.
///
/// Owner:   Leader, of a generation that follows one.
/// Threads: one.
class RecoveryObserver final : public JobObserver {
 public:
  /// `console` is borrowed.
  RecoveryObserver(Console* console, std::chrono::steady_clock::time_point ended_at,
                   bool after_loss)
      : console_(console), ended_at_(ended_at), after_loss_(after_loss) {}

  absl::Status SegmentTrained(const TrainedSegment& segment) override;

 private:
  Console* console_;
  const std::chrono::steady_clock::time_point ended_at_;
  const bool after_loss_;
  bool told_ = false;
};

}  // namespace cf
