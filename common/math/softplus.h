#pragma once

#include <span>

namespace cf::math {

/// values[k] = Softplus(x[k]) and slopes[k] = Sigmoid(x[k]), its derivative, to the last bit, by the
/// widest vectors that the machine has. Requires: all of one length; none overlaps another.
void SoftplusOf(std::span<const double> x, std::span<double> values, std::span<double> slopes);

}  // namespace cf::math
