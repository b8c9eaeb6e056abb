#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "common/kernels/objective.h"
#include "common/metrics/figures.h"

namespace cf {

std::uint64_t SamplesOf(std::span<const ObjectiveSums> by_partition);

/// The figures `names`, means over all samples that the sums are of; each sum is added along the
/// tree over the partitions. Errors are on the scale of the ratings, the loss on the scale that the
/// link predicts on. None without samples. Requires: as many sums as partitions, a power of two;
/// names that end with _loss, _rmse, _mae, or _bce where that is the loss.
Figures FiguresOf(std::span<const ObjectiveSums> by_partition, std::span<const std::string> names);

}  // namespace cf
