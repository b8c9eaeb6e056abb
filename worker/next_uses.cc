#include "worker/next_uses.h"

#include <algorithm>

namespace cf {

std::span<const std::uint16_t> NextUses::Find(
    std::span<const Sample> samples, Partitioning partitioning, std::uint64_t batches,
    absl::FunctionRef<SampleRange(std::uint64_t t)> of_batch) {
  users_.clear();
  for (const Sample& sample : samples) {
    const std::uint32_t slot = partitioning.SlotOf(sample.user);
    if (slot >= users_.size()) users_.resize(slot + 1);
    ++users_[slot].count;
  }
  // The first of so many at random places of the next epoch.
  for (User& user : users_) user.next = batches + batches / (user.count + 1);
  next_uses_.resize(samples.size());
  for (std::uint64_t t = batches; t-- > 0;) {
    const SampleRange range = of_batch(t);
    for (std::uint64_t k = range.last; k-- > range.first;) {
      User& user = users_[partitioning.SlotOf(samples[k].user)];
      next_uses_[k] = static_cast<std::uint16_t>(std::min<std::uint64_t>(user.next - t, kFar));
      user.next = t;
    }
  }
  return next_uses_;
}

}  // namespace cf
