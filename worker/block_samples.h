#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "worker/samples.h"

namespace cf {

/// A sample of a block, with its rows as slots of their partitions.
struct BlockSample {
  std::uint32_t user = 0;
  std::uint32_t item = 0;
  float rating = 0;
};

/// The training samples of one user partition by item partition, and the order in which an epoch
/// visits those of each block.
///
/// Owner:   Member, one for each partition of the rank.
/// Threads: one at a time: whichever works on the partition.
/// Bounds:  kBytesPerSample.
/// Invariants: before they are shuffled, a block's samples are in canonical order (user, item).
class BlockSamples {
 public:
  static constexpr std::size_t kBytesPerSample = 2 * sizeof(BlockSample);

  /// Those of the partitions in `range`, in that order.
  static std::vector<BlockSamples> Make(const Dataset& data, const DataSplit& split,
                                        Partitioning partitioning, SeatRange range);

  std::size_t size() const { return samples_.size(); }

  /// Round `round` of `rounds` over the block with item partition `q`, in the order of `epoch`: a
  /// function of (seed, epoch, partition, q). A block is shuffled when it is asked for, so that its
  /// samples are in the cache when they are used.
  std::span<const BlockSample> Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch,
                                     std::uint32_t round, std::uint32_t rounds);

 private:
  static constexpr std::uint64_t kNoEpoch = ~std::uint64_t{0};

  // Of blocks with so many samples, by item partition; they are yet to be set.
  BlockSamples(PartitionId partition, std::span<const std::uint64_t> counts);

  PartitionId partition_;
  std::vector<std::uint64_t> ends_;  // By item partition: where its samples end.
  std::vector<BlockSample> samples_;
  std::vector<BlockSample> shuffled_;
  std::vector<std::uint64_t> epochs_;  // By item partition: of the order in shuffled_.
};

}  // namespace cf
