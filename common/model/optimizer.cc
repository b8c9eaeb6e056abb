#include "common/model/optimizer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "common/base/check.h"
#include "common/config/learning_rate.h"
#include "common/math/math.h"

namespace cf {

double LearningRateOf(const Optimizer& options) {
  if (options.has_adam()) return options.adam().learning_rate();
  if (options.has_adagrad()) return options.adagrad().learning_rate();
  return options.sgd().learning_rate();
}

OptimizerRule::OptimizerRule(const Optimizer& options, std::uint64_t steps_per_epoch)
    : options_(options), steps_per_epoch_(steps_per_epoch) {
  Check(options.kind_case() != Optimizer::KIND_NOT_SET, "a validated job has an optimizer");
  if (options.has_adagrad())
    initial_state_ = static_cast<float>(options.adagrad().initial_accumulator());
}

void OptimizerRule::SetPlateauFactors(std::vector<double> by_epoch) {
  if (by_epoch == plateau_factors_) return;
  plateau_factors_ = std::move(by_epoch);
  ++changes_;
}

double OptimizerRule::LearningRate(std::uint64_t step) const {
  double plateau_factor = 1;
  if (!plateau_factors_.empty()) {
    const std::uint64_t last = plateau_factors_.size() - 1;
    plateau_factor = plateau_factors_[std::min(step / steps_per_epoch_, last)];
  }
  return LearningRateOf(options_) *
         LearningRateFactor(options_.schedule(), step, steps_per_epoch_) * plateau_factor;
}

double OptimizerRule::CorrectedRate(std::uint64_t step) const {
  const double rate = LearningRate(step);
  if (!options_.has_adam()) return rate;
  const double correction1 = 1.0 - math::PowInt(options_.adam().beta1(), step + 1);
  const double correction2 = 1.0 - math::PowInt(options_.adam().beta2(), step + 1);
  return rate * (std::sqrt(correction2) / correction1);
}

OptimizerStep OptimizerRule::At(std::uint64_t step, const TableSpec& table) const {
  OptimizerStep result;
  const double rate = CorrectedRate(step);
  if (options_.has_adam()) {
    const Adam& adam = options_.adam();
    result.kind = OptimizerStep::Kind::kAdam;
    result.beta1 = static_cast<float>(adam.beta1());
    result.beta2 = static_cast<float>(adam.beta2());
    result.one_minus_beta1 = static_cast<float>(1.0 - adam.beta1());
    result.one_minus_beta2 = static_cast<float>(1.0 - adam.beta2());
    result.epsilon = static_cast<float>(adam.epsilon());
  } else if (options_.has_adagrad()) {
    result.kind = OptimizerStep::Kind::kAdagrad;
    result.epsilon = static_cast<float>(options_.adagrad().epsilon());
  }
  result.learning_rate = static_cast<float>(rate);
  result.bias_learning_rate = static_cast<float>(rate * table.bias_rate);
  result.bias_rate = static_cast<float>(table.bias_rate);
  result.l2_vector = static_cast<float>(2.0 * table.l2_vectors);
  result.l2_bias = static_cast<float>(2.0 * table.l2_biases);
  result.clip_norm = static_cast<float>(options_.clip_norm());
  const double norm_max = options_.gradient_norm_max();
  if (norm_max > 0 && norm_max * norm_max < static_cast<double>(result.squares_max)) {
    result.squares_max = static_cast<float>(norm_max * norm_max);
  }
  result.biases = table.shape.biases;
  result.padded_dim = PaddedDim(table.shape.dim);
  return result;
}

}  // namespace cf
