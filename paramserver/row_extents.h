#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/partition.h"
#include "common/base/scratch_file.h"
#include "paramserver/row_mover.h"
#include "paramserver/row_store.h"
#include "paramserver/stored_row.h"

namespace cf {

/// Rows of one length on disk: a part of a file that is cut into extents, one for each run of
/// neighbouring rows of a partition, with room for half as many again.
///
/// A disk does so many reads and writes a second, however short. So a row that comes to disk does not
/// go where it was before, which would be a write of its own, but behind what is in its extent
/// already, a page of eight rows or more at a time; and where an extent is full, it is packed: read,
/// freed of what is out of date, and written, in large pieces, while the thread goes on. All rows of a partition are near each
/// other still, so that whoever looks through it reads large pieces, too. (docs/results.md, rows one
/// by one: what this is beside rows at fixed places and beside RocksDB.)
///
/// Which of an extent's rows are up to date its owner knows, who keeps their positions.
///
/// Owner:   RowCache.
/// Threads: the compute thread's. Reads of others (ReadAround at PlaceOf) may find a row gone that was
///          packed meanwhile, which its checksum tells.
/// Bounds:  SizesFor.
class RowExtents {
 public:
  struct Options {
    std::vector<RowStore::Table> tables;  ///< Of the whole job.
    std::vector<TableId> stored;          ///< Those of them that it has, of one stride.
    Partitioning partitioning{1};
    SeatRange range{};
    ScratchFile* file = nullptr;  ///< Borrowed, as is the next.
    RowMover* mover = nullptr;
    std::uint64_t begin = 0;  ///< Of this part of the file, with a page.
  };
  struct Sizes {
    std::uint64_t memory = 0;
    std::uint64_t disk = 0;
  };
  /// What it takes. Of `options` without file, mover and begin.
  static Sizes SizesFor(const Options& options);

  /// Positions of an extent are below this, which is none.
  static constexpr std::uint32_t kNone = 1U << 18;

  explicit RowExtents(const Options& options);
  ~RowExtents();

  /// The slots of the partition whose rows share an extent with the key's.
  struct Run {
    std::uint32_t first = 0;
    std::uint32_t last = 0;  ///< One past the last.
  };
  Run RunOf(RowKey key) const;

  /// Whether an extent has to be packed before the row can be appended.
  bool IsFull(RowKey key) const;
  /// Has extents that are full be read. A row of one that Pack would not wait for.
  std::optional<RowKey> ReadyToPack();
  /// Its position in its extent, until the extent is packed. Requires: !IsFull(key).
  std::uint32_t Append(RowKey key, std::span<const float> row);

  /// Packs the key's extent, which is full. positions[k] is that of slot RunOf(key).first + k, kNone where what is on
  /// disk is out of date; afterwards that where it is now. DataLoss names a row that is not as it
  /// was written.
  absl::Status Pack(RowKey key, std::span<std::uint32_t> positions);

  /// Copies the row if it is in memory, on its way to disk.
  bool TakeFromMemory(RowKey key, std::uint32_t position, std::span<float> row) const;
  /// Where else it is, in the file.
  std::uint64_t PlaceOf(RowKey key, std::uint32_t position) const;
  /// Reads it at once, wherever it is. DataLoss as above.
  absl::Status Read(RowKey key, std::uint32_t position, std::span<float> row);

  /// Reads the key's extent whole; then copies rows of it, until the next Pack or ReadExtent.
  absl::Status ReadExtent(RowKey key);
  absl::Status TakeFromExtent(RowKey key, std::uint32_t position, std::span<float> row) const;

 private:
  using Progress = RowMover::Progress;
  // What an extent's rows are gathered in: whole pages of the disk that no row lies across.
  struct Shape {
    explicit Shape(std::size_t stride);
    std::uint64_t OffsetOf(std::uint32_t position) const {
      return position / rows * std::uint64_t{bytes} + position % rows * stored;
    }
    std::size_t stored = 0;  // Bytes of a row.
    std::size_t bytes = 0;
    std::uint32_t rows = 0;
  };
  // The extents of a partition.
  struct Cut {
    std::uint32_t first = 0;  // Number of the first.
    std::uint32_t count = 0;
    std::uint32_t run = 0;  // Rows of each, but for the last.
    std::uint32_t rows = 0;
    std::uint32_t pages = 0;  // Of each.
  };
  struct Extent {
    std::uint64_t begin = 0;  // In the file.
    std::uint32_t pages = 0;
    std::uint32_t next = 0;       // Position of what comes next, in the page that is filled.
    std::uint32_t under_way = 0;  // Its pages in ways_ that may not be written yet.
  };
  // An extent that is being packed.
  struct Packing {
    enum class Stage : std::uint8_t {
      kNone,
      kWaits,  ///< For its last pages to be written.
      kReading,
      kWriting,
    };
    Stage stage = Stage::kNone;
    std::uint32_t number = 0;
    RowKey key;
    std::uint64_t bytes = 0;  ///< Of what is written.
    Pages pages;
    std::atomic<Progress> progress{Progress::kDone};
    bool is_under_way() const {
      return progress.load(std::memory_order_acquire) != Progress::kDone;
    }
  };
  static constexpr std::size_t kPackings = 3;
  // A page on its way to disk.
  struct Way {
    std::uint32_t extent = 0;
    std::uint32_t page = 0;
    bool used = false;
    std::atomic<Progress> progress{Progress::kDone};
  };

  static std::vector<std::vector<Cut>> CutsFor(const Options& options, const Shape& shape);
  static std::uint64_t PackBytes(const std::vector<std::vector<Cut>>& cuts, const Shape& shape);

  std::uint32_t NumberOf(RowKey key) const;
  const Cut& CutOf(RowKey key) const;
  std::byte* Filling(std::uint32_t number) const { return filling_.get() + number * shape_.bytes; }
  std::byte* PageOn(std::size_t way) const { return on_ways_.get() + way * shape_.bytes; }
  // What is in memory of the extent's page; null where it is on disk.
  const std::byte* PageInMemory(std::uint32_t number, std::uint32_t page) const;
  void HandOver(std::uint32_t number);
  void Retire(Way& way);
  void AwaitWrites(std::uint32_t number);
  bool IsBeingWritten(std::uint32_t number);
  // Whole pages of the extent.
  std::uint64_t WholeBytes(std::uint32_t number) const {
    return extents_[number].next / shape_.rows * std::uint64_t{shape_.bytes};
  }
  Packing* PackingOf(std::uint32_t number);
  // Null where none is free.
  Packing* FreePacking();
  void BeginPacking(Packing& packing, RowKey key);
  void BeginRead(Packing& packing);
  // Waits until the extent is read, if there is no error.
  Packing& ReadToPack(RowKey key);
  absl::Status NotAsWritten(RowKey key, std::uint32_t position) const;

  const Options options_;
  const Shape shape_;
  std::vector<std::vector<Cut>> cuts_;  // By table and partition of the range.
  std::vector<Extent> extents_;
  Pages filling_;  // A page for each extent.
  std::size_t way_count_ = 0;
  std::unique_ptr<Way[]> ways_;  // The next is the one that was used first.
  Pages on_ways_;                // Their pages.
  std::size_t next_way_ = 0;
  std::array<Packing, kPackings> packings_;
  Pages extent_pages_;                   // Of the extent that was read last.
  Pages around_;                         // A row, of Read.
  std::vector<std::uint32_t> slots_at_;  // Of Pack: by position.
};

}  // namespace cf
