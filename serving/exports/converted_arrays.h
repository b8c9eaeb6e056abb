#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "serving/exports/arrays.h"
#include "serving/exports/precision.h"

namespace cf {

/// The half that is nearest to `value`, ties to even; its bits.
std::uint16_t HalfOf(float value);

/// What one of 127 steps stands for in a row of int8: the largest magnitude is the 127th.
float ScaleOf(std::span<const float> row);
/// The step that is nearest to `value`. Requires: `scale` is that of its row.
std::int8_t StepOf(float value, float scale);

/// Makes of a row what readers of that precision have of it, and of a bias, which no precision
/// writes as int8.
void RoundRow(Precision precision, std::span<float> row);
float RoundBias(Precision precision, float bias);

/// A table of rows as int8: steps and, for each row, what a step is.
struct Int8Table {
  ModelArray steps;   ///< (rows, dim) of int8.
  ModelArray scales;  ///< (rows, 1) of floats: NAME_scales.
  /// (rows, 1) of floats: a last column that stays as it is, NAME_last.
  std::optional<ModelArray> last = {};
};

/// Requires: an array of floats with two extents, of which each piece is whole rows; more columns
/// than those that stay.
Int8Table InInt8(const ModelArray& array, bool keeps_last);

/// `arrays` at that precision. fp16: all floats are halves; visiting one ends with
/// FailedPrecondition where a number is larger than any half. int8: vectors of users and of items are
/// steps, each with its scales behind it; other floats stay. What is no float stays.
std::vector<ModelArray> AtPrecision(std::vector<ModelArray> arrays, Precision precision);

}  // namespace cf
