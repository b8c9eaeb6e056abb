#include "worker/block_samples.h"

#include <algorithm>

#include "common/math/random.h"

namespace cf {

BlockSamples::BlockSamples(PartitionId partition, std::span<const std::uint64_t> counts)
    : partition_(partition), epochs_(counts.size(), kNoEpoch) {
  std::uint64_t end = 0;
  for (const std::uint64_t count : counts) ends_.push_back(end += count);
  samples_.resize(end);
  shuffled_.resize(end);
}

std::vector<BlockSamples> BlockSamples::Make(const Dataset& data, const DataSplit& split,
                                             Partitioning partitioning, SeatRange range) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  // By partition of the range and item partition: how many samples, then where the next goes.
  std::vector<std::uint64_t> next(std::size_t{range.size()} * partitioning.count());
  const auto of_partition = [&](std::uint32_t p) {
    return std::span(next).subspan(std::size_t{p} * partitioning.count(), partitioning.count());
  };
  ForUsers(partitioning, range, data.users(), [&](std::uint32_t p, RowId user) {
    const std::span<std::uint64_t> counts = of_partition(p);
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      if (!split.is_validation(s)) ++counts[Index(partitioning.Of(items[s]))];
    }
  });
  std::vector<BlockSamples> made;
  made.reserve(range.size());
  for (std::uint32_t p = 0; p < range.size(); ++p) {
    made.push_back(BlockSamples(PartitionId{range.first + p}, of_partition(p)));
    std::ranges::copy(std::span(made.back().ends_).first(partitioning.count() - 1),
                      of_partition(p).subspan(1).begin());
    of_partition(p).front() = 0;
  }
  ForUsers(partitioning, range, data.users(), [&](std::uint32_t p, RowId user) {
    const std::span<std::uint64_t> of = of_partition(p);
    const std::uint32_t slot = partitioning.SlotOf(user);
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      if (split.is_validation(s)) continue;
      made[p].samples_[of[Index(partitioning.Of(items[s]))]++] = {
          slot, partitioning.SlotOf(items[s]), data.ratings()[s]};
    }
  });
  return made;
}

std::span<const BlockSample> BlockSamples::Round(PartitionId q, std::uint64_t seed,
                                                 std::uint64_t epoch, std::uint32_t round,
                                                 std::uint32_t rounds) {
  const std::uint64_t first = Index(q) == 0 ? 0 : ends_[Index(q) - 1];
  const std::uint64_t count = ends_[Index(q)] - first;
  const std::span<BlockSample> block = std::span(shuffled_).subspan(first, count);
  if (epochs_[Index(q)] != epoch) {
    std::ranges::copy(std::span(samples_).subspan(first, count), block.begin());
    const std::uint32_t number =
        static_cast<std::uint32_t>(partition_) * static_cast<std::uint32_t>(ends_.size()) +
        static_cast<std::uint32_t>(q);
    Shuffle<std::uint32_t>(
        block, CounterRandom(seed, Purpose::kBlockShuffle, CounterRandom::Stream(epoch, number)));
    epochs_[Index(q)] = epoch;
  }
  const SampleRange range = SamplesOfBatch(count, round, rounds);
  return block.subspan(range.first, range.last - range.first);
}

}  // namespace cf
