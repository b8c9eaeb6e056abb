#include "common/rows/row_copies.h"

#include "common/kernels/aligned.h"

namespace cf {

void RowCopies::Resize(std::size_t rows, const RowLayout& layout) {
  stride_ = layout.gradient_stride();
  rows_ = rows;
  if (memory_.size() < rows * stride_ + kLanes) memory_.resize(rows * stride_ + kLanes);
  first_ = memory_.data() + FloatsBeforeLine(memory_);
}

}  // namespace cf
