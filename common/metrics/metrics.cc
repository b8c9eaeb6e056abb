#include "common/metrics/metrics.h"

#include <cmath>
#include <vector>

#include "common/base/partition.h"

namespace cf {

Figures FiguresOf(std::span<const ObjectiveSums> by_partition) {
  Figures figures;
  for (const ObjectiveSums& sums : by_partition) figures.samples += sums.samples;
  const auto mean_of = [&](double ObjectiveSums::*field) {
    std::vector<double> values;
    for (const ObjectiveSums& sums : by_partition) values.push_back(sums.*field);
    return SumAlongTree(values) / static_cast<double>(figures.samples);
  };
  figures.loss = mean_of(&ObjectiveSums::loss);
  figures.rmse = std::sqrt(mean_of(&ObjectiveSums::squared_error));
  figures.mae = mean_of(&ObjectiveSums::absolute_error);
  return figures;
}

}  // namespace cf
