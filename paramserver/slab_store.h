#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "paramserver/arena.h"
#include "paramserver/changed_rows.h"
#include "paramserver/row_store.h"

namespace cf {

/// A store whose rows are all in memory and never move: a partition's rows of a table are one slab,
/// found by slot. Pinning costs nothing but finding.
///
/// It may outlive a generation and be another's, with other partitions: it knows which rows are not as
/// the snapshots have them that the next one may go on from.
///
/// Owner:   Member, and between two generations KeptWork.
/// Threads: those of RowStore.
/// Bounds:  BytesFor, from Open on; rows are zeros until they are updated. Partitions that it leaves
///          give their pages back.
class SlabStore : public RowStore {
 public:
  /// The memory that the rows of some partitions take.
  static std::size_t BytesFor(std::span<const Table> tables, Partitioning partitioning,
                              SeatRange range);

  /// `range`: the partitions of the rank. ResourceExhausted where there is no memory.
  static absl::StatusOr<std::unique_ptr<SlabStore>> Open(std::span<const Table> tables,
                                                         Partitioning partitioning,
                                                         SeatRange range);

  bool keeps_all() const override { return true; }
  SlabStore* AsSlabs() override { return this; }

  SeatRange range() const { return range_; }
  /// From now on of these partitions: the rows of those that it had are as they were, the others
  /// zeros. ResourceExhausted, and all is as it was, where there is no memory.
  absl::Status MoveTo(SeatRange range);

  /// By slot, a bit each: the rows that may not be as that state had them. All of them where
  /// partitions change places, so that nobody knows whose rows there are.
  std::vector<std::uint64_t> ChangedSince(TableId table, PartitionId partition, Filed state) const;
  /// All rows of the partition are as that state had them, which a committed manifest has: they are clean.
  void Restored(PartitionId partition, Filed state) { changed_.Restored(partition, state); }

  void Announce(TableId table, std::span<const RowId> ids) override;
  void AnnouncePartition(TableId table, PartitionId partition) override;
  absl::Status Pin(TableId table, std::span<const RowId> ids, Access access,
                   std::span<float*> rows) override;
  void Release(TableId table, std::span<const RowId> ids) override;
  absl::StatusOr<float*> PinPartition(TableId table, PartitionId partition) override;
  void ReleasePartition(TableId table, PartitionId partition) override;
  void MarkChanged(TableId table, PartitionId partition,
                   std::span<const std::uint32_t> slots) override;
  absl::Status Visit(TableId table, PartitionId partition, Which which, Visitor visit) override;
  std::uint64_t Rows(PartitionId partition) const override;
  std::uint64_t ChangedRows(PartitionId partition) const override {
    return changed_.Count(partition);
  }
  void MarkWritten(PartitionId partition) override { changed_.MarkWritten(partition); }
  void Commit(PartitionId partition) override { changed_.Commit(partition); }

 private:
  SlabStore(std::span<const Table> tables, Partitioning partitioning);
  std::size_t BytesOf(PartitionId partition) const;

  float* Slab(TableId table, PartitionId partition) const {
    return slabs_[Index(table)][Index(partition) - range_.first];
  }

  const std::vector<Table> tables_;
  const Partitioning partitioning_;
  SeatRange range_;
  // The partitions whose slabs each has, adjacent, and all tables' of a partition.
  std::vector<std::pair<SeatRange, Arena>> arenas_;
  std::vector<std::vector<float*>> slabs_;  // By table, by partition of the range.
  cf::ChangedRows changed_;
};

}  // namespace cf
