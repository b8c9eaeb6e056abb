#include "serving/point_loss.h"

#include "common/math/math.h"

namespace cf {
namespace {

PointLoss Squared(double difference, double scale) {
  return {.value = difference * difference,
          .slope = 2 * difference * scale,
          .curvature = 2 * scale * scale};
}

}  // namespace

PointLoss LossAt(const Objective& objective, double raw, double rating) {
  switch (objective.link) {
    case Objective::Link::kIdentity:
      return Squared(raw - rating, 1);
    case Objective::Link::kStandardized:
      return Squared(raw - rating / static_cast<double>(objective.rating_deviation), 1);
    case Objective::Link::kSigmoid:
    case Objective::Link::kScaledSigmoid:
      break;
  }
  const auto range = static_cast<double>(objective.rating_range);
  const double target = (rating - static_cast<double>(objective.rating_min)) / range;
  const double share = math::Sigmoid(raw);
  const double steepness = share * (1 - share);
  if (objective.loss == Objective::Loss::kCrossEntropy) {
    return {.value = math::Softplus(raw) - target * raw,
            .slope = share - target,
            .curvature = steepness};
  }
  const double unit = objective.link == Objective::Link::kScaledSigmoid ? range : 1;
  return Squared(unit * (share - target), unit * steepness);
}

}  // namespace cf
