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
  if (manifest.stopping().has_start_value()) state.start_value = manifest.stopping().start_value();
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

bool StoppingRule::ObserveStart(double value) {
  Check(state_.last_epoch == 0 && !state_.start_value.has_value(),
        "the start is observed once, before the epochs");
  if (std::isfinite(value)) state_.start_value = value;
  return state_.start_value.has_value();
}

bool StoppingRule::Observe(std::uint32_t epoch, double value) {
  Skip(epoch);
  if (!Improves(value)) return false;
  state_.best_epoch = epoch;
  state_.best_value = value;
  return !state_.start_value.has_value() || IsBetter(value, *state_.start_value);
}

bool StoppingRule::ShouldStop() const {
  return patience_ > 0 && state_.last_epoch - state_.best_epoch >= patience_;
}

bool StoppingRule::Improves(double value) const {
  return state_.best_epoch == 0 ? std::isfinite(value) : IsBetter(value, state_.best_value);
}

bool StoppingRule::IsBetter(double value, double than) const {
  return larger_is_better_ ? value - min_delta_ > than : value + min_delta_ < than;
}

}  // namespace cf
