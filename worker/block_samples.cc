#include "worker/block_samples.h"

#include <algorithm>

#include "common/math/random.h"

namespace cf {

BlockSamples::BlockSamples(const PartitionSamples& samples, Partitioning partitioning,
                           PartitionId partition)
    : partition_(partition),
      ends_(partitioning.count()),
      samples_(samples.training().size()),
      shuffled_(samples.training().size()),
      epochs_(partitioning.count(), kNoEpoch) {
  std::vector<std::uint64_t> next(partitioning.count());
  for (const Sample& sample : samples.training()) ++next[Index(partitioning.Of(sample.item))];
  std::uint64_t end = 0;
  for (std::size_t q = 0; q < next.size(); ++q) {
    const std::uint64_t count = next[q];
    next[q] = end;
    end += count;
    ends_[q] = end;
  }
  for (const Sample& sample : samples.training()) {
    samples_[next[Index(partitioning.Of(sample.item))]++] = {
        partitioning.SlotOf(sample.user), partitioning.SlotOf(sample.item), sample.rating};
  }
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
