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
    : partition_(partition) {
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

void PartitionSamples::Shuffle(std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::uint32_t> order(training_.size());
  std::iota(order.begin(), order.end(), 0U);
  cf::Shuffle(order, seed, epoch, static_cast<std::uint32_t>(partition_));
  shuffled_.resize(training_.size());
  for (std::size_t k = 0; k < order.size(); ++k) {
    if (k + kAhead < order.size()) __builtin_prefetch(&training_[order[k + kAhead]]);
    shuffled_[k] = training_[order[k]];
  }
}

}  // namespace cf
