#include "common/config/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

/// The factor without warm-up. `whole` and `epoch` are the epoch rounded down and with its
/// fraction.
double FactorOf(const LearningRateSchedule& schedule, std::uint64_t whole, double epoch) {
  switch (schedule.kind_case()) {
    case LearningRateSchedule::kStep:
      return math::PowInt(schedule.step().decay(), whole / schedule.step().every_epochs());
    case LearningRateSchedule::kExponential: {
      const ExponentialSchedule& exponential = schedule.exponential();
      return exponential.staircase() ? math::PowInt(exponential.decay(), whole)
                                     : math::Pow(exponential.decay(), epoch);
    }
    case LearningRateSchedule::kCosine: {
      const CosineSchedule& cosine = schedule.cosine();
      const double done = std::min(1.0, epoch / static_cast<double>(cosine.epochs()));
      return cosine.floor() + (1.0 - cosine.floor()) * (1.0 + math::CosPi(done)) / 2.0;
    }
    case LearningRateSchedule::kPlateau:  // What it makes of the figures is PlateauRule's.
    case LearningRateSchedule::KIND_NOT_SET:
      return 1.0;
  }
  return 1.0;
}

}  // namespace

double LearningRateFactor(const LearningRateSchedule& schedule, std::uint64_t step,
                          std::uint64_t steps_per_epoch) {
  Check(steps_per_epoch > 0, "an epoch has at least one step");
  const double epoch = static_cast<double>(step) / static_cast<double>(steps_per_epoch);
  double factor = FactorOf(schedule, step / steps_per_epoch, epoch);
  if (step < schedule.warm_up_steps()) {
    factor *= static_cast<double>(step + 1) / static_cast<double>(schedule.warm_up_steps());
  }
  return factor;
}

PlateauRule::PlateauRule(PlateauSchedule options, bool larger_is_better)
    : options_(std::move(options)), larger_is_better_(larger_is_better) {
}

bool PlateauRule::Improves(double figure) const {
  if (!state_.best.has_value()) return std::isfinite(figure);
  return larger_is_better_ ? figure > *state_.best + options_.min_delta()
                           : figure < *state_.best - options_.min_delta();
}

bool PlateauRule::Observe(double figure) {
  if (Improves(figure)) {
    state_.best = figure;
    state_.waited = 0;
    return false;
  }
  if (++state_.waited < options_.patience()) return false;
  state_.waited = 0;
  const double before = state_.factor;
  state_.factor = std::max(before * options_.factor(), options_.min_factor());
  return state_.factor < before;
}

}  // namespace cf
