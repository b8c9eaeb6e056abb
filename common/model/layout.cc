#include "common/model/layout.h"

#include <algorithm>
#include <cstring>

namespace cf {

void RowLayout::ToRecord(const float* row, float* record) const {
  for (std::size_t moment = 0; moment <= moments_; ++moment) {
    const float* vector =
        moment == 0 ? row : row + padded_dim_ + kLanes + (moment - 1) * padded_dim_;
    record = std::copy_n(vector, dim_, record);
    if (biases_) *record++ = row[padded_dim_ + moment];
  }
  // As bytes: what the bits would be as a float is nobody's business.
  if (last_step_) std::memcpy(record, row + last_step_at(), sizeof(float));
}

void RowLayout::FromRecord(const float* record, float* row) const {
  std::fill_n(row, stride(), 0.0F);
  for (std::size_t moment = 0; moment <= moments_; ++moment) {
    float* vector = moment == 0 ? row : row + padded_dim_ + kLanes + (moment - 1) * padded_dim_;
    std::copy_n(record, dim_, vector);
    record += dim_;
    if (biases_) row[padded_dim_ + moment] = *record++;
  }
  if (last_step_) std::memcpy(row + last_step_at(), record, sizeof(float));
}

}  // namespace cf
