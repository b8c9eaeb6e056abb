#include "common/model/layout.h"

#include <algorithm>

namespace cf {

void RowLayout::ToRecord(const float* row, float* record) const {
  for (std::size_t slot = 0; slot <= slots_; ++slot) {
    const float* vector = slot == 0 ? row : row + padded_dim_ + kLanes + (slot - 1) * padded_dim_;
    record = std::copy_n(vector, dim_, record);
    if (biases_) *record++ = row[padded_dim_ + slot];
  }
}

void RowLayout::FromRecord(const float* record, float* row) const {
  std::fill_n(row, stride(), 0.0F);
  for (std::size_t slot = 0; slot <= slots_; ++slot) {
    float* vector = slot == 0 ? row : row + padded_dim_ + kLanes + (slot - 1) * padded_dim_;
    std::copy_n(record, dim_, vector);
    record += dim_;
    if (biases_) row[padded_dim_ + slot] = *record++;
  }
}

}  // namespace cf
