#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <variant>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/math/random.h"
#include "worker/samples.h"

namespace cf {

/// A sample of a block, with its rows as slots of their partitions.
struct BlockSample {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  float rating = 0;
};

/// The same where slots are so small: what samples are on disk.
struct SmallBlockSample {
  std::uint16_t user = 0;
  std::uint16_t item = 0;
  float rating = 0;
};

/// What a round visits of a block. All is borrowed.
class BlockRound {
 public:
  using Block = std::variant<std::span<const BlockSample>, std::span<const SmallBlockSample>>;
  /// Places among the block's samples, which are in canonical order.
  using Order = std::variant<std::span<const std::uint16_t>, std::span<const std::uint32_t>>;
  BlockRound(Block block, Order order) : block_(block), order_(order) {}

  std::size_t size() const {
    return std::visit([](const auto& order) { return order.size(); }, order_);
  }

  /// Puts the samples of that range of the round into `into`, and fetches those that follow it.
  void Take(SampleRange range, std::vector<BlockSample>& into) const;

 private:
  Block block_;
  Order order_;
};

/// The training samples of one user partition by item partition, as an epoch's rounds visit them.
///
/// Threads: one at a time: whichever works on the partition.
class BlockRounds {
 public:
  virtual ~BlockRounds() = default;

  /// Round `round` of `rounds` over the block with item partition `q`, in the order of `epoch`: a
  /// function of (seed, epoch, partition, q). It holds until the next call.
  virtual BlockRound Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch,
                           std::uint32_t round, std::uint32_t rounds) = 0;
};

/// The order of the epoch for the samples of a block of user partition `p` and item partition `q` of
/// `partitions`, which are in canonical order; from `first` on, where that is all that is asked for.
template <class Place>
void ShuffleBlock(std::span<Place> places, std::uint64_t seed, std::uint64_t epoch, PartitionId p,
                  PartitionId q, std::uint32_t partitions, std::size_t first = 0) {
  std::iota(places.begin(), places.end(), Place{0});
  const std::uint32_t number =
      static_cast<std::uint32_t>(p) * partitions + static_cast<std::uint32_t>(q);
  Shuffle<std::uint32_t>(
      places, CounterRandom(seed, Purpose::kBlockShuffle, CounterRandom::Stream(epoch, number)),
      first);
}

/// Those of a partition that stay in memory, with the order of each block.
///
/// Owner:   RankSamples, one for each partition of the rank.
/// Threads: one at a time: whichever works on the partition.
/// Bounds:  kBytesPerSample; kBytesPerSampleOfLarge where a block has more than kSmallMax; and
///          kBytesPerBlock.
/// Invariants: a block's samples stay in canonical order (user, item): shuffled themselves, they
///          would have to come back to it for the next epoch.
class BlockSamples : public BlockRounds {
 public:
  static constexpr std::size_t kBytesPerSample = sizeof(BlockSample) + sizeof(std::uint16_t);
  static constexpr std::size_t kBytesPerSampleOfLarge = sizeof(BlockSample) + sizeof(std::uint32_t);
  static constexpr std::size_t kBytesPerBlock = 2 * sizeof(std::uint64_t);
  static constexpr std::size_t kSmallMax = std::size_t{1} << 16;

  /// Those of the partitions in `range`, in that order. `leaves_out`, by partition of the range: who
  /// has none here; empty: nobody.
  static std::vector<BlockSamples> Make(const Dataset& data, const DataSplit& split,
                                        Partitioning partitioning, SeatRange range,
                                        const std::vector<bool>& leaves_out = {});

  std::size_t size() const { return samples_.size(); }

  /// A block is shuffled when it is asked for, so that its order is in the cache when it is used.
  BlockRound Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch, std::uint32_t round,
                   std::uint32_t rounds) override;

 private:
  static constexpr std::uint64_t kNoEpoch = ~std::uint64_t{0};

  // Of blocks with so many samples, by item partition; they are yet to be set.
  BlockSamples(PartitionId partition, std::span<const std::uint64_t> counts);

  PartitionId partition_;
  std::vector<std::uint64_t> ends_;  // By item partition: where its samples end.
  std::vector<BlockSample> samples_;
  // Block after block: places in it.
  std::variant<std::vector<std::uint16_t>, std::vector<std::uint32_t>> order_;
  std::vector<std::uint64_t> epochs_;  // By item partition: whose order its block has.
};

}  // namespace cf
