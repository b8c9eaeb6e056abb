#pragma once

#include "common/kernels/objective.h"

namespace cf {

/// The loss of one rating as a function of the raw sum, in double precision: what Observe adds to a
/// loss, unweighted, with its derivatives.
struct PointLoss {
  double value = 0;
  double slope = 0;
  /// The second derivative, for squared errors behind a sigmoid without the part that may be
  /// negative (Gauss and Newton's): never below 0.
  double curvature = 0;
};

PointLoss LossAt(const Objective& objective, double raw, double rating);

}  // namespace cf
