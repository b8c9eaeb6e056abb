#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

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

/// Samples of one partition that lie side by side, and what is done with their gradient. Gradients
/// that are not yet added up form a stack, a level each.
struct GradientRun {
  std::uint32_t first = 0;
  std::uint32_t last = 0;  ///< Behind the last.
  bool starts = true;      ///< Else the run goes on with what the level `top` holds.
  std::uint32_t top = 0;   ///< Where the gradient is on the stack.
  /// How many levels below `top` are then added to it, one after the other.
  std::uint32_t merges = 0;
};

/// The gradient of a layer's kernel from samples of several partitions: the sum over a run's
/// samples s of a(row, s) b(s, column), a chain of fused multiply-adds from 0 in their order, and
/// the sums of such sums that the runs ask for. Element (row, s) of a is a[row * a_row + s *
/// a_step]; rows of b can be read up to a multiple of kLanes. Of c nothing but rows times columns
/// floats of each level is written, so that a gradient can lie as the layer's row does.
struct GradientProduct {
  const float* a = nullptr;
  std::size_t a_row = 0;
  std::size_t a_step = 0;
  const float* b = nullptr;
  std::size_t b_stride = 0;
  float* c = nullptr;
  std::size_t c_stride = 0;
  std::size_t level_stride = 0;  ///< From one level of the stack to the next.
  std::size_t rows = 0;
  std::size_t columns = 0;  ///< Any number.
  std::span<const GradientRun> runs;
};

/// The kernels of dense layers for one instruction set. Constant; any thread. No function
/// allocates. Pointers need no alignment.
struct MatrixKernels {
  /// Requires: c overlaps nothing else.
  void (*product)(const MatrixProduct& product);

  /// All runs of one tile of c before the next tile: what is on the stack is in the first cache
  /// when it is added, and nothing but what remains there goes further.
  void (*gradient)(const GradientProduct& product);

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
