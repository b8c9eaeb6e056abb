#pragma once

#include <span>

#include "common/kernels/objective.h"

namespace cf {

/// Figures over a set of samples. Errors are on the scale of the ratings, the loss on the scale
/// that the link predicts on.
struct Figures {
  double loss = 0;
  double rmse = 0;
  double mae = 0;
  std::uint64_t samples = 0;
};

/// Means over all samples; each sum is added along the tree over the partitions. NaN without
/// samples. Requires: as many sums as partitions, a power of two.
Figures FiguresOf(std::span<const ObjectiveSums> by_partition);

}  // namespace cf
