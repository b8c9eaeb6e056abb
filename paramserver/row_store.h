#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/base/partition.h"

namespace cf {

/// What rows are before anybody has changed them, so that these need no place to be.
///
/// Owner:   Member.
/// Threads: any; constant.
class RowMaker {
 public:
  virtual ~RowMaker() = default;

  /// Fills a whole row.
  virtual void Make(TableId table, RowId id, std::span<float> row) const = 0;
};

class SlabStore;

/// Where the rows of a rank's partitions are: one store for all its threads, which share one budget
/// of memory. To the store a row is so many floats (RowLayout::stride); it knows neither what they
/// mean nor who asks.
///
/// A row may be looked at only while it is pinned. At any other time the store may move it or put
/// it out of memory.
///
/// Owner:   Member.
/// Threads: every call on the compute thread that hosts the partition; calls for different
///          partitions may run at once.
/// Invariants: a row is clean exactly when it is as a file has it that a committed manifest names.
class RowStore {
 public:
  /// A table of the whole job.
  struct Table {
    std::uint32_t rows = 0;
    std::size_t stride = 0;  ///< Floats of a row; a multiple of 16.
    /// Partitions change places while they are pinned: there is room for the largest in each.
    bool change_places = false;

    /// The rows that there is room for where `partition` is.
    std::uint32_t RoomFor(Partitioning partitioning, PartitionId partition) const {
      return change_places ? partitioning.RowsMax(rows) : partitioning.RowsIn(partition, rows);
    }
  };
  enum class Access {
    kRead,
    kUpdate,  ///< The caller changes the rows: they are changed from now on.
  };
  enum class Which { kAll, kChanged };
  using Visitor = absl::FunctionRef<absl::Status(RowId id, std::span<const float> row)>;

  virtual ~RowStore() = default;

  /// Whose rows these are: which partitions each compute thread hosts, ascending, and what rows are
  /// made as. Called once, before any row is pinned; `maker` is borrowed.
  struct Hosts {
    std::span<const SeatRange> threads;
    const RowMaker* maker = nullptr;
  };
  /// Whether rows are made by the store when they are first looked at, and changed all of them; else
  /// they are zeros, and whoever opens the store has to write them. ResourceExhausted where there is
  /// no memory.
  virtual absl::StatusOr<bool> Begin(const Hosts& /*hosts*/) { return false; }

  /// Whether no row ever leaves memory.
  virtual bool keeps_all() const = 0;
  /// The store itself, where it may outlive a generation; else null.
  virtual SlabStore* AsSlabs() { return nullptr; }

  /// Whether the rows of a partition of users never leave memory, or come and go whole: what else is
  /// known of the users may then go the same way.
  virtual bool KeepsUsersOf(PartitionId /*partition*/) const { return true; }

  /// These rows will be pinned soon, so that reading them can begin. A hint.
  virtual void Announce(TableId table, std::span<const RowId> ids) = 0;

  /// As RowHost has it: a batch has been announced, and its rows come again in so many batches[k]. A
  /// hint which rows are worth their memory.
  virtual void Foresee(TableId /*table*/, std::span<const RowId> /*ids*/,
                       std::span<const std::uint16_t> /*batches*/) {}

  /// Points rows[k] at the row of ids[k], 64-byte aligned, where it stays until it has been
  /// released as often as it was pinned. ResourceExhausted: more rows are pinned than the budget
  /// has room for; else what reading failed with. After an error nothing is pinned.
  /// Requires: the rows are of partitions that the calling thread hosts.
  virtual absl::Status Pin(TableId table, std::span<const RowId> ids, Access access,
                           std::span<float*> rows) = 0;
  virtual void Release(TableId table, std::span<const RowId> ids) = 0;

  /// The same for a whole partition: its rows stand one after the other, by slot. Those that the
  /// caller changes it has to name. Requires: no row of the partition is pinned alone.
  virtual void AnnouncePartition(TableId table, PartitionId partition) = 0;
  virtual absl::StatusOr<float*> PinPartition(TableId table, PartitionId partition) = 0;
  virtual void ReleasePartition(TableId table, PartitionId partition) = 0;
  virtual void MarkChanged(TableId table, PartitionId partition,
                           std::span<const std::uint32_t> slots) = 0;

  /// Calls `visit` for the rows of a partition, ids ascending, each pinned for the call; of one that
  /// is pinned whole, those. The first error of `visit` or of reading ends it.
  virtual absl::Status Visit(TableId table, PartitionId partition, Which which, Visitor visit) = 0;

  /// How many rows a partition has in all tables, and how many of them are not clean.
  virtual std::uint64_t Rows(PartitionId partition) const = 0;
  virtual std::uint64_t ChangedRows(PartitionId partition) const = 0;

  /// All rows of the partition that are not clean are in a file now.
  virtual void MarkWritten(PartitionId partition) = 0;
  /// A committed manifest names the files of all MarkWritten calls so far: the rows are clean that
  /// have not changed since.
  virtual void Commit(PartitionId partition) = 0;
};

}  // namespace cf
