#include "common/dataset/value_counts.h"

#include <algorithm>
#include <bit>
#include <compare>

#include "common/base/check.h"

namespace cf {

inline void ValueCounts::Add(float value, std::uint64_t count) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  std::size_t slot = (bits * 0x9E37'79B1U) >> (32 - kSlotBits);
  while (slots_[slot].count > 0 && std::bit_cast<std::uint32_t>(slots_[slot].value) != bits) {
    slot = (slot + 1) % kSlots;
  }
  if (slots_[slot].count == 0) {
    slots_[slot].value = value;
    complete_ = ++distinct_ <= kDistinctMax;
  }
  slots_[slot].count += count;
}

void ValueCounts::Add(std::span<const float> values) {
  for (std::size_t k = 0; k < values.size() && complete_; ++k) Add(values[k], 1);
}

void ValueCounts::Add(const ValueCounts& others) {
  for (std::size_t k = 0; k < kSlots && complete_; ++k) {
    if (others.slots_[k].count > 0) Add(others.slots_[k].value, others.slots_[k].count);
  }
  complete_ = complete_ && others.complete_;
}

std::vector<ValueCounts::Entry> ValueCounts::Entries() const {
  Check(complete_, "all values are counted");
  std::vector<Entry> entries = slots_;
  std::erase_if(entries, [](const Entry& entry) { return entry.count == 0; });
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::strong_order(a.value, b.value) < 0; });
  return entries;
}

}  // namespace cf
