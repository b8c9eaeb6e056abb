#include "common/metrics/metrics.h"

#include <cmath>
#include <vector>

#include "common/base/check.h"
#include "common/base/partition.h"

namespace cf {
namespace {

double MeanOver(std::span<const ObjectiveSums> by_partition, double ObjectiveSums::*field) {
  std::vector<double> values;
  for (const ObjectiveSums& sums : by_partition) values.push_back(sums.*field);
  return SumAlongTree(values) / static_cast<double>(SamplesOf(by_partition));
}

double ValueOf(const std::string& name, std::span<const ObjectiveSums> by_partition) {
  if (name.ends_with("_loss") || name.ends_with("_bce")) {
    return MeanOver(by_partition, &ObjectiveSums::loss);
  }
  if (name.ends_with("_rmse")) {
    return std::sqrt(MeanOver(by_partition, &ObjectiveSums::squared_error));
  }
  Check(name.ends_with("_mae"), "a figure is made of the sums that there are");
  return MeanOver(by_partition, &ObjectiveSums::absolute_error);
}

}  // namespace

std::uint64_t SamplesOf(std::span<const ObjectiveSums> by_partition) {
  std::uint64_t samples = 0;
  for (const ObjectiveSums& sums : by_partition) samples += sums.samples;
  return samples;
}

Figures FiguresOf(std::span<const ObjectiveSums> by_partition, std::span<const std::string> names) {
  Figures figures;
  if (SamplesOf(by_partition) == 0) return figures;
  for (const std::string& name : names) figures.Set(name, ValueOf(name, by_partition));
  return figures;
}

}  // namespace cf
