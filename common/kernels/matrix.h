#pragma once

#include <cstddef>

#include "common/kernels/kernels.h"

namespace cf {

/// c = start + a b, or c += a b. Element (row, k) of a is a[row * a_row + k * a_step], so that a
/// may be read as it is or transposed; b and c are row-major. Every element of c is a chain of
/// fused multiply-adds in the order of k, so the outcome depends neither on how the product is cut
/// into tiles nor on the width of the machine.
struct MatrixProduct {
  const float* a = nullptr;
  std::size_t a_row = 0;
  std::size_t a_step = 0;
  const float* b = nullptr;
  std::size_t b_stride = 0;
  float* c = nullptr;
  std::size_t c_stride = 0;
  const float* start = nullptr;  ///< What every row of c starts from; null: from c itself.
  std::size_t rows = 0;
  std::size_t steps = 0;    ///< How many k.
  std::size_t columns = 0;  ///< A multiple of kLanes.
};

/// The kernels of dense layers for one instruction set. Constant; any thread. No function
/// allocates. Pointers need no alignment.
struct MatrixKernels {
  /// Requires: c overlaps nothing else.
  void (*product)(const MatrixProduct& product);

  /// sum[k] += rows[r * stride + k] for every r in order. Requires: `n` is a multiple of kLanes.
  void (*sum_rows)(const float* rows, std::size_t stride, std::size_t n_rows, std::size_t n,
                   float* sum);

  /// y[k] = max(y[k], 0), where NaN stays NaN; then, unless `mask` is null, y[k] *= mask[k].
  /// Requires: `n` is a multiple of kLanes.
  void (*activate)(bool relu, const float* mask, std::size_t n, float* y);

  /// From the slopes of the outputs `y` of `activate` to the slopes of its inputs: slope[k] *=
  /// mask[k] unless `mask` is null, and 0 where relu and y[k] is 0. Requires: as activate.
  void (*activate_backward)(bool relu, const float* mask, const float* y, std::size_t n,
                            float* slope);

  /// a[k] += b[k] for any n.
  void (*add)(float* a, const float* b, std::size_t n);
};

/// Those of the instruction set of `kernels`.
const MatrixKernels& MatrixKernelsOf(const KernelSet& kernels);

}  // namespace cf
