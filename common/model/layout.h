#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/kernels/kernels.h"

namespace cf {

/// A named table: `rows` rows, each with a vector, perhaps a bias, and the optimizer's state.
struct TableShape {
  std::string name;
  std::uint32_t rows = 0;
  std::uint32_t dim = 0;
  bool biases = false;
  std::uint32_t moments = 0;  ///< Optimizer state: this many more floats for each weight.
  /// Whether a row knows the last step that brought it a gradient, as dense Adam's do.
  bool last_step = false;
};

/// Where things are in a row, in floats. In memory a row is
///     vector, padded to 16 | bias, bias of moment 1, bias of moment 2, last step, zeros (16) |
///     moment 1, padded | moment 2, padded
/// so that the weights are one run, which is also what travels: the padded vector and the bias. A
/// row without a bias has a zero there whose gradient nobody applies. The last step is the bits of a
/// std::uint32_t: global steps up to and with the last one that brought the row a gradient, 0 before
/// the first; 0 where rows do not know it.
class RowLayout {
 public:
  explicit RowLayout(const TableShape& shape)
      : dim_(shape.dim),
        padded_dim_(PaddedDim(shape.dim)),
        moments_(shape.moments),
        biases_(shape.biases),
        last_step_(shape.last_step) {}

  std::size_t padded_dim() const { return padded_dim_; }
  std::size_t stride() const { return padded_dim_ + kLanes + moments_ * padded_dim_; }
  /// What a gradient takes in a worker's memory, where each begins at 64 bytes.
  std::size_t gradient_stride() const { return padded_dim_ + kLanes; }
  /// What weights or a gradient take between worker and server.
  std::size_t wire_floats() const { return padded_dim_ + 1; }
  /// What a row takes in a snapshot: no padding, and the bias and the last step, which is behind
  /// everything else, only where there are any.
  std::size_t record_floats() const {
    return (1 + moments_) * (dim_ + (biases_ ? 1 : 0)) + (last_step_ ? 1 : 0);
  }
  /// Where the last step is in a row.
  std::size_t last_step_at() const { return padded_dim_ + kLastStepFromBias; }

  /// Asks for a row in memory, with its optimizer's state, ahead of its step. Always inlined: GCC
  /// 12 takes a function that only prefetches for one without effect and leaves out its calls.
  [[gnu::always_inline]] void Prefetch(const float* row) const {
    for (std::size_t k = 0; k < stride(); k += kLanes) __builtin_prefetch(row + k, 0, 2);
  }

  /// Copies a row to its record and back. The padding of a row is zeros.
  void ToRecord(const float* row, float* record) const;
  void FromRecord(const float* record, float* row) const;

 private:
  std::size_t dim_;
  std::size_t padded_dim_;
  std::size_t moments_;
  bool biases_;
  bool last_step_;
};

}  // namespace cf
