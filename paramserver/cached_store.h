#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/base/scratch_file.h"
#include "common/base/scratch_folder.h"
#include "paramserver/arena.h"
#include "paramserver/changed_rows.h"
#include "paramserver/forwarded_rows.h"
#include "paramserver/row_cache.h"
#include "paramserver/row_extents.h"
#include "paramserver/row_mover.h"
#include "paramserver/row_store.h"
#include "paramserver/slab_store.h"

namespace cf {

/// A store for tables beyond memory whose rows are wanted one by one, as SYNC does. Users' and items'
/// rows come and go (RowCache); those of other tables, layers and features, stay.
///
/// Threads share nothing but the disk: each has its own frames, in the proportion of what it hosts.
/// What is announced is read while the thread computes, and what differs from what is on disk
/// is written when it has to leave.
///
/// Owner:   Member.
/// Threads: those of RowStore; some of its own read and write (RowMover).
/// Bounds:  `bytes` and FixedBytes in memory; DiskBytes on disk.
/// Invariants: rows come and go one by one only: partitions are not pinned whole.
class CachedStore : public RowStore {
 public:
  struct Options {
    std::vector<Table> tables;
    Partitioning partitioning{1};
    SeatRange range{};  ///< The partitions of the rank.
    std::size_t bytes =
        0;  ///< Memory for the rows of users and items that are in it, at least LeastBytes.
    std::string directory;  ///< Of the folder with what is not in memory.
  };
  /// How many rows of users and of items a compute thread needs in memory at once: those that are
  /// pinned, and what else is to be on its way meanwhile.
  struct RowsAtOnce {
    std::uint64_t users = 0;
    std::uint64_t items = 0;
  };

  /// The memory beside `Options::bytes`, if the threads host `threads`: of the rows that stay, and of
  /// what is known of those that come and go, and what is on its way.
  static std::size_t FixedBytes(std::span<const Table> tables, Partitioning partitioning,
                                std::span<const SeatRange> threads);
  /// The least that Options::bytes can be, if the threads host `threads`.
  static std::size_t LeastBytes(std::span<const Table> tables, Partitioning partitioning,
                                std::span<const SeatRange> threads, RowsAtOnce needed);
  /// The room on disk.
  static std::size_t DiskBytes(std::span<const Table> tables, Partitioning partitioning,
                               SeatRange range);

  /// Errors of the folder and of the file name the path; ResourceExhausted: there is not that much room
  /// on the disk.
  static absl::StatusOr<std::unique_ptr<CachedStore>> Open(Options options);
  ~CachedStore() override;

  absl::StatusOr<bool> Begin(const Hosts& hosts) override;
  bool keeps_all() const override { return false; }
  void Announce(TableId table, std::span<const RowId> ids) override;
  void Foresee(TableId table, std::span<const RowId> ids,
               std::span<const std::uint16_t> batches) override;
  absl::Status Pin(TableId table, std::span<const RowId> ids, Access access,
                   std::span<float*> rows) override;
  void Release(TableId table, std::span<const RowId> ids) override;
  void AnnouncePartition(TableId table, PartitionId partition) override;
  absl::StatusOr<float*> PinPartition(TableId table, PartitionId partition) override;
  void ReleasePartition(TableId table, PartitionId partition) override;
  void MarkChanged(TableId table, PartitionId partition,
                   std::span<const std::uint32_t> slots) override;
  absl::Status Visit(TableId table, PartitionId partition, Which which, Visitor visit) override;
  std::uint64_t Rows(PartitionId partition) const override;
  std::uint64_t ChangedRows(PartitionId partition) const override;
  void MarkWritten(PartitionId partition) override;
  void Commit(PartitionId partition) override;

  RowMover::Traffic traffic() const { return mover_.traffic(); }
  /// Of all threads. Called between their calls.
  RowCache::Figures figures() const;

 private:
  CachedStore(Options options, std::unique_ptr<SlabStore> others, ScratchFolder folder,
              std::unique_ptr<ScratchFile> file);

  absl::StatusOr<bool> MakeOthers(const RowMaker& maker);
  RowCache& CacheOf(TableId table, PartitionId partition) {
    return *caches_[Index(table)][thread_of_[Index(partition) - options_.range.first]];
  }

  const Options options_;
  std::unique_ptr<SlabStore>
      others_;  // All tables but those that come and go, which are empty there.
  cf::ChangedRows changed_;
  ScratchFolder folder_;
  std::unique_ptr<ScratchFile> file_;  // In the folder.
  RowMover mover_;                     // Of the file.
  // Begin makes these.
  std::vector<Arena> arenas_;  // By thread and length of rows: frames, and what is known of rows.
  std::vector<std::unique_ptr<RowExtents>> extents_;  // Of each of these:
  std::vector<std::unique_ptr<ForwardedRows>> forwarded_;
  std::vector<std::unique_ptr<RowCache>> owned_;
  std::vector<RowCache*> caches_[2];      // Of users and of items, by thread.
  std::vector<std::uint32_t> thread_of_;  // By partition of the range.
};

}  // namespace cf
