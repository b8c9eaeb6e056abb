#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "paramserver/row_store.h"

namespace cf {

/// States of a partition that snapshots may have: of the last MarkWritten, whatever came of it; of the
/// last Commit; and of the one before.
enum class Filed : std::uint8_t { kWritten, kCommitted, kCommittedBefore };

/// Which rows of a rank's partitions are not clean: changed since they were written, or written to a
/// file that no committed manifest names yet. A snapshot that is never committed thereby leaves
/// nothing behind: the next one has its rows, too.
///
/// Owner:   a RowStore.
/// Threads: those of RowStore.
/// Bounds:  two bits for each row; three where the commit before the last is remembered.
class ChangedRows {
 public:
  enum class Remember : std::uint8_t { kLastCommit, kCommitBefore };
  ChangedRows(std::span<const RowStore::Table> tables, Partitioning partitioning, SeatRange range,
              Remember remember = Remember::kLastCommit);

  /// From now on of these partitions: nothing of those that come has changed.
  void MoveTo(SeatRange range);

  /// The memory of the two.
  static std::size_t BytesFor(std::span<const RowStore::Table> tables, Partitioning partitioning,
                              SeatRange range);

  void Mark(TableId table, PartitionId partition, std::uint32_t slot) {
    BitsOf(table, partition).changed[slot / 64] |= std::uint64_t{1} << (slot % 64);
  }
  /// Marks all rows.
  void MarkAll();
  bool Contains(TableId table, PartitionId partition, std::uint32_t slot) const {
    const Bits& bits = BitsOf(table, partition);
    return (((bits.changed[slot / 64] | bits.written[slot / 64]) >> (slot % 64)) & 1U) != 0;
  }

  /// How many rows of the partition are changed or written, over all tables.
  std::uint64_t Count(PartitionId partition) const;

  /// What RowStore promises of the same names.
  void MarkWritten(PartitionId partition);
  void Commit(PartitionId partition);

  /// By slot, a bit each: the rows that may not be as they were in that state. Requires: of
  /// kCommittedBefore, it is remembered.
  std::vector<std::uint64_t> Since(TableId table, PartitionId partition, Filed state) const;
  /// All rows are as in that state, which a committed manifest has: it is that of the last Commit from
  /// now on, and no later one is known.
  void Restored(PartitionId partition, Filed state);

 private:
  // By slot, a bit each.
  struct Bits {
    std::vector<std::uint64_t> changed;  // Since the last MarkWritten,
    std::vector<std::uint64_t> written;  // between the last Commit and that,
    std::vector<std::uint64_t>
        committed;  // and between the last two Commits; empty: not remembered.
  };

  Bits MakeBits(std::size_t table, std::uint32_t partition) const;

  Bits& BitsOf(TableId table, PartitionId partition) {
    return bits_[Index(table)][Index(partition) - range_.first];
  }
  const Bits& BitsOf(TableId table, PartitionId partition) const {
    return bits_[Index(table)][Index(partition) - range_.first];
  }

  const std::vector<RowStore::Table> tables_;
  const Partitioning partitioning_;
  const Remember remember_;
  SeatRange range_;
  std::vector<std::vector<Bits>> bits_;  // By table, by partition of the range.
};

}  // namespace cf
