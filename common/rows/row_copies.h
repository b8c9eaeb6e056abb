#pragma once

#include <cstddef>
#include <vector>

#include "common/model/layout.h"

namespace cf {

/// Copies of rows, one after the other: the padded vector, then the bias. Aligned to 64 bytes.
///
/// Owner:   whoever reads rows.
/// Threads: one.
/// Bounds:  the most rows that it has had at once.
class RowCopies {
 public:
  /// Room for `rows` rows of the layout; what was there is lost.
  void Resize(std::size_t rows, const RowLayout& layout);

  std::size_t rows() const { return rows_; }
  std::size_t stride() const { return stride_; }
  float* row(std::size_t k) { return first_ + k * stride_; }
  const float* row(std::size_t k) const { return first_ + k * stride_; }

 private:
  std::vector<float> memory_;
  float* first_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t stride_ = 0;
};

}  // namespace cf
