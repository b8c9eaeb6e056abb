#include "run/early_stopping.h"

#include <cmath>

#include "common/base/check.h"

namespace cf {

StoppingState StoppingStateOf(const Manifest& manifest) {
  StoppingState state;
  state.last_epoch = manifest.position().epoch();
  if (manifest.stopping().has_best_value()) {
    state.best_value = manifest.stopping().best_value();
    state.best_epoch = manifest.stopping().best_epoch();
  }
  return state;
}

StoppingRule::StoppingRule(const EarlyStopping& options)
    : larger_is_better_(options.mode() == EarlyStopping::MAX),
      min_delta_(options.min_delta()),
      patience_(options.patience()) {
}

void StoppingRule::Skip(std::uint32_t epoch) {
  Check(epoch > state_.last_epoch, "epochs are observed in order, each once");
  state_.last_epoch = epoch;
}

bool StoppingRule::Observe(std::uint32_t epoch, double value) {
  Skip(epoch);
  if (!Improves(value)) return false;
  state_.best_epoch = epoch;
  state_.best_value = value;
  return true;
}

bool StoppingRule::ShouldStop() const {
  return patience_ > 0 && state_.last_epoch - state_.best_epoch >= patience_;
}

bool StoppingRule::Improves(double value) const {
  if (state_.best_epoch == 0) return std::isfinite(value);
  return larger_is_better_ ? value - min_delta_ > state_.best_value
                           : value + min_delta_ < state_.best_value;
}

}  // namespace cf
