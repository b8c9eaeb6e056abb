#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>

#include "common/math/symmetric.h"

namespace cf {

/// A function of a vector: its value at `x`, and its derivatives there into `gradient`, which is as
/// long.
using SmoothFunction =
    absl::FunctionRef<double(std::span<const double> x, std::span<double> gradient)>;

/// Where a smooth function is smallest, from `start` on: steps of limited memory (BFGS, Nocedal
/// 1980), measured by `metric`, which is like the second derivative, each shortened until the
/// function falls. Ends where a step promises less than 1e-7 of the value, at the last after
/// kMostSteps. Requires: the metric is of the length of `start`.
std::vector<double> Minimum(SmoothFunction function, std::vector<double> start,
                            const Cholesky& metric);

inline constexpr std::size_t kMostSteps = 50;

}  // namespace cf
