#pragma once

#include <cstdint>
#include <vector>

#include "serving/exports/arrays.h"
#include "serving/exports/precision.h"

namespace cf {

/// The half that is nearest to `value`, ties to even; its bits.
std::uint16_t HalfOf(float value);

/// `arrays` with the floats at that precision; what is no float stays. Visiting one ends with
/// FailedPrecondition where a number is larger than any half.
std::vector<ModelArray> AtPrecision(std::vector<ModelArray> arrays, Precision precision);

}  // namespace cf
