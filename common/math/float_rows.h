#pragma once

#include <span>

namespace cf {

/// Rows of floats, as models have them, against a vector of doubles: sums are in double precision and
/// the same to the bit whatever the machine, by the widest vectors that it has. Vectors are padded with
/// zeros to a multiple of eight; `rows` point at as many floats as there are doubles.

/// dots[s] = <x, rows[s]>: eight chains of fused multiply-adds, of the elements k mod 8, and then lanes
/// 4, 2 and 1 apart. Requires: a dot for each row.
void DotsOf(std::span<const double> x, std::span<const float* const> rows, std::span<double> dots);

/// sum += the sum of factors[s] rows[s]: each element is a chain of fused multiply-adds in the order of
/// the rows. Requires: a factor for each row.
void AddRows(std::span<const double> factors, std::span<const float* const> rows,
             std::span<double> sum);

}  // namespace cf
