#include "worker/block_samples.h"

#include <algorithm>
#include <type_traits>

namespace cf {

BlockSamples::BlockSamples(PartitionId partition, std::span<const std::uint64_t> counts)
    : partition_(partition), epochs_(counts.size(), kNoEpoch) {
  std::uint64_t end = 0;
  for (const std::uint64_t count : counts) ends_.push_back(end += count);
  samples_.resize(end);
  if (std::ranges::max(counts) > kSmallMax) order_.emplace<std::vector<std::uint32_t>>();
  std::visit([end](auto& order) { order.resize(end); }, order_);
}

std::vector<BlockSamples> BlockSamples::Make(const Dataset& data, const DataSplit& split,
                                             Partitioning partitioning, SeatRange range,
                                             const std::vector<bool>& leaves_out) {
  const auto is_left_out = [&](std::uint32_t p) { return !leaves_out.empty() && leaves_out[p]; };
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  const std::span<const RowId> items = data.item_column();
  // By partition of the range and item partition: how many samples, then where the next goes.
  std::vector<std::uint64_t> next(std::size_t{range.size()} * partitioning.count());
  const auto of_partition = [&](std::uint32_t p) {
    return std::span(next).subspan(std::size_t{p} * partitioning.count(), partitioning.count());
  };
  ForUsers(partitioning, range, data, [&](std::uint32_t p, RowId user) {
    if (is_left_out(p)) return;
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
  ForUsers(partitioning, range, data, [&](std::uint32_t p, RowId user) {
    if (is_left_out(p)) return;
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

BlockRound BlockSamples::Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch,
                               std::uint32_t round, std::uint32_t rounds) {
  const std::uint64_t first = Index(q) == 0 ? 0 : ends_[Index(q) - 1];
  const std::uint64_t count = ends_[Index(q)] - first;
  const SampleRange range = SamplesOfBatch(count, round, rounds);
  const auto order_of_round = [&](auto& order) -> BlockRound::Order {
    const auto of_block = std::span(order).subspan(first, count);
    if (epochs_[Index(q)] != epoch) {
      ShuffleBlock(of_block, seed, epoch, partition_, q, static_cast<std::uint32_t>(ends_.size()));
      epochs_[Index(q)] = epoch;
    }
    return std::span<std::add_const_t<typename decltype(of_block)::element_type>>(
        of_block.subspan(range.first, range.last - range.first));
  };
  return {std::span(samples_).subspan(first, count), std::visit(order_of_round, order_)};
}

void BlockRound::Take(SampleRange range, std::vector<BlockSample>& into) const {
  into.resize(range.last - range.first);
  const auto take = [&](const auto& block, const auto& order) {
    const std::size_t ahead = std::min<std::size_t>(into.size(), order.size() - range.last);
    for (std::size_t k = 0; k < ahead; ++k) __builtin_prefetch(&block[order[range.last + k]]);
    for (std::size_t k = 0; k < into.size(); ++k) {
      const auto& sample = block[order[range.first + k]];
      into[k] = {.user = sample.user, .item = sample.item, .rating = sample.rating};
    }
  };
  std::visit(take, block_, order_);
}

}  // namespace cf
