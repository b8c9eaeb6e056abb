#include "common/base/partition.h"

#include "common/base/check.h"

namespace cf {

double SumAlongTree(std::span<const double> values) {
  Check(std::has_single_bit(values.size()), "the tree has a power of two of leaves");
  std::vector<double> level(values.begin(), values.end());
  for (std::size_t n = level.size(); n > 1; n /= 2) {
    for (std::size_t k = 0; k < n / 2; ++k) level[k] = level[2 * k] + level[2 * k + 1];
  }
  return level[0];
}

}  // namespace cf
