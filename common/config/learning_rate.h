#pragma once

#include <cstdint>
#include <optional>

#include "common/config/job.pb.h"

namespace cf {

/// The factor by which `schedule` multiplies the optimizer's learning rate at `step`, the number of
/// global batches before it in the whole job. The formulas are in job.proto. An empty schedule is
/// constant: 1; so is one that waits for a plateau, but for its warm-up. The bits are the same on
/// every machine. Requires: the schedule is valid (ValidateJob); steps_per_epoch > 0.
double LearningRateFactor(const LearningRateSchedule& schedule, std::uint64_t step,
                          std::uint64_t steps_per_epoch);

/// What a PlateauRule knows; a snapshot carries it, so that a resumed run goes on as the other
/// would have.
struct PlateauState {
  double factor = 1;           ///< Of the learning rate, from the next epoch on.
  std::optional<double> best;  ///< Nothing before the first figure that is a number.
  std::uint32_t waited = 0;    ///< Figures since the best one, or since the factor fell.

  bool operator==(const PlateauState&) const = default;
};

/// Lowers the learning rate when a figure stalls, as Keras's ReduceLROnPlateau does with a cooldown
/// of 0.
///
/// Owner:      the coordinator, one for a run.
/// Threads:    not thread-safe.
/// Invariants: a figure improves if it is better than the best by more than min_delta; NaN never
///             does. The state is a function of the figures alone.
class PlateauRule {
 public:
  /// Requires: a schedule that ValidateJob accepts, with its defaults filled in.
  PlateauRule(PlateauSchedule options, bool larger_is_better);

  /// Takes the figure of the next epoch that measures it; returns whether the factor fell.
  bool Observe(double figure);

  const PlateauState& state() const { return state_; }

  /// Goes on from a state that was saved.
  void Restore(const PlateauState& state) { state_ = state; }

 private:
  bool Improves(double figure) const;

  PlateauSchedule options_;
  bool larger_is_better_;
  PlateauState state_;
};

}  // namespace cf
