#include "worker/samples.h"

#include <numeric>

#include "common/math/random.h"

namespace cf {
namespace {

// Samples this far ahead are fetched while they are shuffled: about a memory latency.
constexpr std::size_t kAhead = 32;

}  // namespace

PartitionSamples::PartitionSamples(const Dataset& data, const DataSplit& split,
                                   Partitioning partitioning, PartitionId partition)
    : partition_(partition), partitioning_(partitioning) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  const std::span<const float> ratings = data.ratings();
  const std::uint32_t users = partitioning.RowsIn(partition, data.users());
  std::uint64_t samples = 0;
  for (std::uint32_t slot = 0; slot < users; ++slot) {
    const std::size_t user = Index(partitioning.IdAt(partition, slot));
    samples += offsets[user + 1] - offsets[user];
  }
  training_.reserve(samples);
  training_ends_.reserve(users);
  for (std::uint32_t slot = 0; slot < users; ++slot) {
    const RowId user = partitioning.IdAt(partition, slot);
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      (split.is_validation(s) ? validation_ : training_).push_back({user, items[s], ratings[s]});
    }
    training_ends_.push_back(training_.size());
  }
}

void PartitionSamples::Shuffle(std::uint64_t seed, std::uint64_t epoch, std::uint32_t user_group) {
  const auto number = static_cast<std::uint32_t>(partition_);
  std::vector<std::uint32_t> order(training_.size());
  std::iota(order.begin(), order.end(), 0U);
  cf::Shuffle(order, seed, epoch, number);
  group_ends_.clear();
  if (user_group > 1) {
    Group(order, CounterRandom(seed, Purpose::kGroupShuffle, CounterRandom::Stream(epoch, number)),
          user_group);
  }
  shuffled_.resize(training_.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k + kAhead < order.size()) __builtin_prefetch(&training_[order[k + kAhead]]);
    shuffled_[k] = training_[order[k]];
  }
}

void PartitionSamples::Group(std::span<std::uint32_t> order, const CounterRandom& random,
                             std::uint32_t user_group) {
  // User after user, each one's as they come in `order`.
  std::vector<std::uint32_t> by_user(order.size());
  std::vector<SampleRange> groups;
  std::vector<std::uint64_t> next;
  std::uint64_t first = 0;
  for (const std::uint64_t end : training_ends_) {
    next.push_back(first);
    const std::uint64_t of_user = end - first;
    const std::uint64_t count = (of_user + user_group - 1) / user_group;
    for (std::uint64_t k = 0; k < count; ++k) {
      const SampleRange group = SamplesOfBatch(of_user, k, count);
      groups.push_back({first + group.first, first + group.last});
    }
    first = end;
  }
  for (const std::uint32_t sample : order) {
    by_user[next[partitioning_.SlotOf(training_[sample].user)]++] = sample;
  }
  cf::Shuffle(std::span(groups), random);
  std::size_t taken = 0;
  for (const SampleRange& group : groups) {
    for (std::uint64_t k = group.first; k < group.last; ++k) order[taken++] = by_user[k];
    group_ends_.push_back(static_cast<std::uint32_t>(taken));
  }
}

SampleRange PartitionSamples::OfBatch(std::uint64_t t, std::uint64_t batches) const {
  if (group_ends_.empty()) return SamplesOfBatch(shuffled_.size(), t, batches);
  const SampleRange groups = SamplesOfBatch(group_ends_.size(), t, batches);
  const auto start_of = [this](std::uint64_t group) {
    return group == 0 ? 0 : group_ends_[group - 1];
  };
  return {start_of(groups.first), start_of(groups.last)};
}

}  // namespace cf
