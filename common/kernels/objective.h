#pragma once

#include <cstdint>

#include "common/math/math.h"

namespace cf {

/// How the raw sum of a model becomes a prediction, and what the loss of a prediction is. All
/// numbers are fixed before training.
struct Objective {
  enum class Link : std::uint8_t { kIdentity, kSigmoid, kScaledSigmoid, kStandardized };
  enum class Loss : std::uint8_t { kSquared, kCrossEntropy };
  Link link = Link::kIdentity;
  Loss loss = Loss::kSquared;
  float mean = 0;  ///< Added to the raw sum: the mean training rating on the sum's scale, or 0.
  float rating_min = 0;        ///< Smallest training rating.
  float rating_range = 1;      ///< Largest less smallest.
  float rating_deviation = 1;  ///< The standard deviation of the training ratings.
  float inverse_batch = 1;     ///< 1 / nominal batch size for means over the batch; 1 for sums.
};

/// Sums over samples of one partition, in the order of the samples. Errors are on the scale of the
/// ratings; the loss is on the scale that the link predicts on.
struct ObjectiveSums {
  double loss = 0;
  double squared_error = 0;
  double absolute_error = 0;
  std::uint64_t samples = 0;
};

/// The rating that a raw sum predicts (docs/arithmetic.md).
inline float PredictedRating(const Objective& objective, float raw) {
  if (objective.link == Objective::Link::kIdentity) return raw;
  if (objective.link == Objective::Link::kStandardized) return objective.rating_deviation * raw;
  const auto share = static_cast<float>(math::Sigmoid(static_cast<double>(raw)));
  return objective.rating_min + objective.rating_range * share;
}

/// The raw sum from its parts, always added in this order.
inline float RawSum(const Objective& objective, float user_bias, float item_bias, float dot) {
  return ((user_bias + item_bias) + objective.mean) + dot;
}

/// Adds one sample to `sums` and returns the derivative of its part of the batch's loss by the raw
/// sum.
inline float Observe(const Objective& objective, float raw, float rating, ObjectiveSums& sums) {
  float slope = 0;
  double error = 0;
  if (objective.link == Objective::Link::kIdentity) {
    const float difference = raw - rating;
    error = static_cast<double>(difference);
    sums.loss += error * error;
    slope = 2.0F * difference;
  } else if (objective.link == Objective::Link::kStandardized) {
    const float difference = raw - rating / objective.rating_deviation;
    error = static_cast<double>(objective.rating_deviation) * static_cast<double>(difference);
    sums.loss += static_cast<double>(difference) * static_cast<double>(difference);
    slope = 2.0F * difference;
  } else {
    const double x = static_cast<double>(raw);
    const double share = math::Sigmoid(x);
    const double minimum = static_cast<double>(objective.rating_min);
    const double range = static_cast<double>(objective.rating_range);
    const double target = (static_cast<double>(rating) - minimum) / range;
    const double difference = share - target;
    error = range * difference;
    if (objective.loss == Objective::Loss::kCrossEntropy) {
      // -t log s - (1 - t) log(1 - s) = log(1 + e^x) - t x, whose derivative is s - t.
      sums.loss += math::Softplus(x) - target * x;
      slope = static_cast<float>(difference);
    } else if (objective.link == Objective::Link::kSigmoid) {
      sums.loss += difference * difference;
      slope = static_cast<float>(2.0 * difference * (share * (1.0 - share)));
    } else {
      sums.loss += error * error;
      slope = static_cast<float>(2.0 * error * range * (share * (1.0 - share)));
    }
  }
  sums.squared_error += error * error;
  sums.absolute_error += error < 0 ? -error : error;
  ++sums.samples;
  return slope * objective.inverse_batch;
}

}  // namespace cf
