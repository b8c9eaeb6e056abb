#include "worker/samples.h"

#include <numeric>

#include "common/math/random.h"

namespace cf {

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
  for (std::uint32_t slot = 0; slot < users; ++slot) {
    const RowId user = partitioning.IdAt(partition, slot);
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      (split.is_validation(s) ? validation_ : training_).push_back({user, items[s], ratings[s]});
    }
  }
  order_.resize(training_.size());
  std::iota(order_.begin(), order_.end(), 0U);
}

void PartitionSamples::Shuffle(std::uint64_t seed, std::uint64_t epoch) {
  std::iota(order_.begin(), order_.end(), 0U);
  cf::Shuffle(order_, seed, epoch, static_cast<std::uint32_t>(partition_));
}

}  // namespace cf
