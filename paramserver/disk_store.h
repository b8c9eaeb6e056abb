#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/base/piece_file.h"
#include "common/base/scratch_folder.h"
#include "paramserver/arena.h"
#include "paramserver/changed_rows.h"
#include "paramserver/row_store.h"

namespace cf {

/// A store for tables beyond memory. The partitions of one table, the users', come and go whole: as
/// many as the budget has room for stay in memory for good, at even distances, and the others take
/// turns in a few frames and are on disk in between. The rows of all other tables stay.
///
/// It is made for passes over the partitions, one after the other (BLOCKS in waves, validation,
/// snapshots). Such a pass comes back to a partition when it has been through all others, so those
/// that were used last would not be what to keep. Partitions that stay leave time between two that do
/// not; what is announced is read by a thread of the store meanwhile, and what was changed and
/// released is written by another, so that the disk has something to do while checksums are found.
///
/// Owner:   Member.
/// Threads: those of RowStore; of its own one that reads and one that writes.
/// Bounds:  in memory FrameBytes for each frame and OtherBytes; on disk FrameBytes for each partition
///          that moves. Rows are zeros until they are updated.
/// Invariants: what is on disk of a slab is what it was when it was last read or written.
class DiskStore : public RowStore {
 public:
  struct Options {
    std::vector<Table> tables;
    Partitioning partitioning{1};
    SeatRange range{};          ///< The partitions of the rank.
    std::uint32_t threads = 1;  ///< That pin partitions.
    /// How many partitions of users fit in memory at once: at least FramesMin.
    std::uint32_t frames = 0;
    std::string directory;  ///< Of the folder with what is not in memory.
  };

  /// The partitions of users that `threads` threads need in memory: the one that a thread works on,
  /// and the one that comes next.
  static constexpr std::uint32_t FramesMin(std::uint32_t threads) { return 2 * threads; }
  /// How many of the frames take turns: some for each thread, so that what is read ahead does not
  /// wait for what is written behind. The others are for partitions that stay.
  static std::uint32_t FramesThatMove(std::uint32_t frames, std::uint32_t threads) {
    return std::min(frames, 2 * FramesMin(threads));
  }
  /// The memory of a partition of users, and of the rows of all other tables in `range`.
  static std::size_t FrameBytes(const Table& users, Partitioning partitioning);
  static std::size_t OtherBytes(std::span<const Table> tables, Partitioning partitioning,
                                SeatRange range);

  /// ResourceExhausted where there is no memory; errors of the folder name its path.
  static absl::StatusOr<std::unique_ptr<DiskStore>> Open(Options options);
  ~DiskStore() override;

  bool keeps_all() const override { return moving_.empty(); }
  bool KeepsUsersOf(PartitionId partition) const override {
    return SlabAt(kUsers, partition) != nullptr;
  }
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

  /// What went to the disk and came from it so far.
  struct Traffic {
    std::uint64_t slabs_read = 0;
    std::uint64_t slabs_written = 0;
  };
  Traffic traffic();

 private:
  /// A partition of users that does not stay in memory.
  struct Moving {
    enum class State : std::uint8_t {
      kAway,
      kMoving,  // A thread reads or writes it, or gives its frame to another.
      kHere,
    };
    std::size_t slab = 0;  // Its number: that of the partition in the range.
    bool written = false;  // Whether it is on disk at all.
    State state = State::kAway;
    float* frame = nullptr;  // While it is here or moves.
    std::uint32_t pins = 0;
    bool differs = false;    // From what is on disk; set by whoever has it pinned.
    bool announced = false;  // And not pinned since.
    // It was released whole and not pinned since. Whoever pins rows one by one may be about to come
    // back for the next.
    bool released_whole = false;
  };
  using Lock = std::unique_lock<std::mutex>;

  /// The partitions that move, each a section of one file: written and read whole, past the system's
  /// cache, and written again in the same place. docs/results.md has what else was measured.
  struct Slabs {
    ScratchFolder folder;
    std::unique_ptr<PieceFile> file;  // In the folder.
  };
  static absl::StatusOr<Slabs> OpenSlabs(const Options& options);
  DiskStore(Options options, Arena arena, std::optional<Slabs> slabs);

  std::span<std::byte> FrameAt(float* frame) const {
    return {reinterpret_cast<std::byte*>(frame), frame_bytes_};
  }
  bool IsUsers(TableId table) const { return table == kUsers; }
  std::size_t SlabOf(PartitionId partition) const {
    return Index(partition) - options_.range.first;
  }
  // Null for what stays in memory.
  Moving* MovingOf(TableId table, PartitionId partition);
  float* SlabAt(TableId table, PartitionId partition) const {
    return slabs_[Index(table)][SlabOf(partition)];
  }

  void AnnounceMoving(Moving& moving);
  // Brings a partition into memory and pins it, waiting for others' frames if need be.
  absl::Status PinMoving(Lock& lock, Moving& wanted);
  void ReleaseMoving(Moving& moving);
  // A frame that is free or that another partition gives up, which is written if need be; null where
  // all are pinned or move. `for_pin`: what was only announced gives way, too.
  absl::StatusOr<float*> TakeFrame(Lock& lock, bool for_pin);
  absl::Status Write(Lock& lock, Moving& moving);
  absl::Status Read(Lock& lock, Moving& moving, float* frame);
  // What was released whole, is not announced and differs from the disk; null where there is none.
  Moving* FindToWrite();
  // On the store's threads.
  void ReadAhead(const std::stop_token& stop);
  void WriteBehind(const std::stop_token& stop);

  const Options options_;
  Arena arena_;
  const std::optional<Slabs> on_disk_;  // Nothing where all partitions stay.
  const std::size_t frame_bytes_;
  // By table, by partition of the range; null for what moves.
  std::vector<std::vector<float*>> slabs_;
  std::vector<std::uint32_t> place_in_moving_;  // By partition of the range, where it moves.
  cf::ChangedRows changed_;

  // Partitions change hands between the threads of the rank and the store's own.
  std::mutex mutex_;
  std::condition_variable_any changes_;  // Of everything below.
  std::vector<Moving> moving_;           // Guarded by mutex_ but for `differs`, as are the next.
  std::vector<float*> free_;             // Frames.
  std::deque<std::size_t> announced_;    // Places in moving_.
  absl::Status failed_;                  // The first error of reading or writing: no row is safe.
  Traffic traffic_;
  std::jthread reader_;  // Uses all of the above,
  std::jthread writer_;  // as does this.
};

}  // namespace cf
