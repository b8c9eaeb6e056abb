#include "worker/next_uses.h"

#include <algorithm>

namespace cf {

void NextUses::LookAhead(std::span<const Sample> samples, Partitioning partitioning,
                         std::uint64_t batches, OfBatch of_batch) {
  comes_.clear();
  for (std::uint64_t t = batches; t-- > 0;) {
    const SampleRange range = of_batch(t);
    for (std::uint64_t k = range.first; k < range.last; ++k) {
      const std::uint32_t slot = partitioning.SlotOf(samples[k].user);
      if (slot >= comes_.size()) comes_.resize(slot + 1);
      comes_[slot] = batches + t;
    }
  }
}

std::span<const std::uint16_t> NextUses::Find(std::span<const Sample> samples,
                                              Partitioning partitioning, std::uint64_t batches,
                                              OfBatch of_batch) {
  next_uses_.resize(samples.size());
  for (std::uint64_t t = batches; t-- > 0;) {
    const SampleRange range = of_batch(t);
    for (std::uint64_t k = range.last; k-- > range.first;) {
      std::uint64_t& comes = comes_[partitioning.SlotOf(samples[k].user)];
      next_uses_[k] = static_cast<std::uint16_t>(std::min<std::uint64_t>(comes - t, kFar));
      comes = t;
    }
  }
  return next_uses_;
}

}  // namespace cf
