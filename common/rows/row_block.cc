#include "common/rows/row_block.h"

#include <cstdint>

namespace cf {

void RowBlock::Resize(std::size_t rows, const RowLayout& layout) {
  stride_ = layout.gradient_stride();
  rows_ = rows;
  if (memory_.size() < rows * stride_ + kLanes) memory_.resize(rows * stride_ + kLanes);
  const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
  first_ = memory_.data() + (64 - address % 64) % 64 / sizeof(float);
}

}  // namespace cf
