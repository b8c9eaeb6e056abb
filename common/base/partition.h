#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"

namespace cf {

/// How rows are dealt to the P partitions of a job, a power of two: serpentine, so that no
/// partition gets the most frequent id of every round (a contract: it decides digests). Each run of
/// P consecutive ids has one id in each partition, so a row's slot within its partition is `id / P`
/// and slots are dense.
class Partitioning {
 public:
  /// Requires: `partitions` is a power of two.
  explicit constexpr Partitioning(std::uint32_t partitions)
      : mask_(partitions - 1), shift_(static_cast<std::uint32_t>(std::countr_zero(partitions))) {}

  constexpr std::uint32_t count() const { return mask_ + 1; }

  constexpr PartitionId Of(RowId id) const {
    const auto i = static_cast<std::uint32_t>(id);
    const std::uint32_t turn = 0U - ((i >> shift_) & 1U);  // All ones in every second run.
    return PartitionId{(i ^ turn) & mask_};
  }

  constexpr std::uint32_t SlotOf(RowId id) const {
    return static_cast<std::uint32_t>(id) >> shift_;
  }

  /// The inverse of Of and SlotOf.
  constexpr RowId IdAt(PartitionId partition, std::uint32_t slot) const {
    const std::uint32_t turn = 0U - (slot & 1U);
    return RowId{(slot << shift_) | ((static_cast<std::uint32_t>(partition) ^ turn) & mask_)};
  }

  /// How many of the ids 0 to rows - 1 are in `partition`.
  constexpr std::uint32_t RowsIn(PartitionId partition, std::uint32_t rows) const {
    const std::uint32_t whole = rows >> shift_;
    return whole + (static_cast<std::uint32_t>(IdAt(partition, whole)) < rows ? 1U : 0U);
  }

  /// The most that any partition has.
  constexpr std::uint32_t RowsMax(std::uint32_t rows) const { return (rows + mask_) >> shift_; }

 private:
  std::uint32_t mask_;
  std::uint32_t shift_;
};

/// A node of the binary tree over the P partitions along which everything is summed: 1 is the root,
/// P + p the leaf of partition p, n / 2 the parent of n. A partial sum is tagged with the highest
/// node whose leaves it holds all of.
using TreeNode = std::uint16_t;
inline constexpr std::uint32_t kPartitionsMax = 1U << 14;

/// Sums one number for each partition along the tree: ((v0 + v1) + (v2 + v3)) + ...
/// Requires: values.size() is a power of two.
double SumAlongTree(std::span<const double> values);

/// Which compute thread of which rank hosts a partition's rows or works through its samples:
/// contiguous ranges, as equal as they can be. The threads of all ranks that play one role are
/// numbered in the order of their ranks; these numbers are called seats.
struct SeatRange {
  std::uint32_t first = 0;  ///< First partition of the seat.
  std::uint32_t last = 0;   ///< One past its last partition.

  constexpr std::uint32_t size() const { return last - first; }
  constexpr bool Contains(PartitionId p) const { return Index(p) >= first && Index(p) < last; }
  bool operator==(const SeatRange&) const = default;
};

/// The range of `seat` when `partitions` are shared out among `seats`. Requires: 0 < seats <=
/// partitions, seat < seats.
constexpr SeatRange RangeOfSeat(std::uint32_t seat, std::uint32_t seats, std::uint32_t partitions) {
  const std::uint64_t p = partitions;
  return {static_cast<std::uint32_t>(p * seat / seats),
          static_cast<std::uint32_t>(p * (seat + 1) / seats)};
}

}  // namespace cf
