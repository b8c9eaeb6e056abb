#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/base/scratch_file.h"
#include "paramserver/row_mover.h"
#include "paramserver/stored_row.h"

namespace cf {

/// Copies of rows on disk in the order in which they are wanted again: what a row costs then is a part of
/// a large read, and not a read of its own (time-forward processing: Chiang et al., External-Memory
/// Graph Algorithms, SODA 1995).
///
/// A row that leaves memory while it is known which batch wants it next is appended to the window of
/// batches that this one is in, and comes back just before the window begins. The further away a
/// window is, the more batches it has, so that there are few of them: a row comes early by a
/// thirtieth of the time that it was away, or less.
///
/// These are copies: whether one is up to date its owner knows, and where else the row is.
///
/// Owner:      RowCache.
/// Threads:    the compute thread's.
/// Bounds:     SizesFor, and the buffers.
/// Invariants: of a row there is one copy at most, so that the file has room for nearly all. After an
///             error, which is the mover's, nothing is given back.
class ForwardedRows {
 public:
  struct Options {
    std::size_t stride = 0;
    std::uint64_t rows = 0;  ///< That there may be copies of, in so many partitions.
    std::uint32_t partitions = 0;
    std::uint32_t buffers = 0;    ///< At least kBuffersMin.
    ScratchFile* file = nullptr;  ///< Borrowed, as is the next.
    RowMover* mover = nullptr;
    std::uint64_t begin = 0;  ///< Of this part of the file, with a page.
  };
  struct Sizes {
    std::uint64_t memory = 0;  ///< Without buffers.
    std::uint64_t disk = 0;
  };
  /// What it takes for the rows of so many partitions, which grows with each.
  static Sizes SizesFor(std::size_t stride, std::uint64_t rows, std::uint32_t partitions);
  static std::size_t BufferBytes(std::size_t stride);

  /// Fewer would be no use, and more neither.
  static constexpr std::uint32_t kBuffersMin = 12;
  static constexpr std::uint32_t kBuffersMax = 512;

  explicit ForwardedRows(const Options& options);
  ~ForwardedRows();
  ForwardedRows(const ForwardedRows&) = delete;
  ForwardedRows& operator=(const ForwardedRows&) = delete;

  /// Copies the row for batch `next`, counted as Advance does. Whether it does: not where that is very
  /// near or very far, or no buffer is free. Requires: there is no copy of it.
  bool Append(RowKey key, RowId id, std::span<const float> row, std::uint32_t next);

  /// A copy as it comes back; `stored` is its stored_row, which has yet to be looked at.
  struct Copy {
    TableId table{};
    RowId id{};
    std::uint32_t next = 0;
    std::span<const std::byte> stored;
    std::uint64_t at = 0;  ///< Where it was in the file, if it was not in memory still.
  };
  absl::Status NotAsWritten(RowKey key, const Copy& copy) const {
    return stored_row::NotAsWritten(key, *options_.file, copy.at);
  }

  /// Batch `now` has been announced: gives back what is there of the windows that begin soon, and has
  /// more of them read. No copy is kept of what it gives back.
  void Advance(std::uint32_t now, absl::FunctionRef<void(const Copy& copy)> receive);

 private:
  using Progress = RowMover::Progress;
  static constexpr std::uint32_t kNone = 0xffffffff;
  static constexpr std::uint32_t kLevels = 11;
  static constexpr std::uint32_t kWindowsOfLevel = 128;  // More than are not empty at once.

  // What is behind a stored row.
  struct Header {
    RowId id{};
    std::uint32_t table = 0;
    std::uint32_t next = 0;
  };
  // Chunks of copies, each as large as a buffer.
  struct Window {
    std::uint32_t chunks = kNone;   // The first; after_ has the others.
    std::uint32_t count = 0;        // Of them.
    std::uint32_t filling = kNone;  // The buffer of what is not a whole chunk yet.
  };
  struct Buffer {
    std::uint32_t rows = 0;
    std::atomic<Progress> progress{Progress::kDone};  // Of being written or read.
  };
  // A buffer and the chunk that it is written to or read from.
  struct Move {
    std::uint32_t buffer = 0;
    std::uint32_t chunk = 0;
    std::uint32_t since = 0;  // In which batch it began.
  };
  // What is left of a window that begins soon.
  struct Delivery {
    std::uint32_t chunks = kNone;
    std::uint32_t of_batch = 0;  // Chunks to read in each.
  };

  static std::size_t EntryBytes(std::size_t stride) {
    return stored_row::BytesFor(stride) + sizeof(Header);
  }
  // A batch that is `gap` away is in a window of 2^level batches.
  static std::uint32_t LevelOf(std::uint32_t gap);
  // So many batches before it begins a window is given back.
  static std::uint32_t LeadOf(std::uint32_t level) { return 4 + (1U << level) / 4; }

  Window& WindowOf(std::uint32_t level, std::uint32_t number) {
    return windows_[level][number % kWindowsOfLevel];
  }
  std::byte* PagesOf(std::uint32_t buffer) const { return pages_.get() + buffer * buffer_bytes_; }
  std::uint64_t PlaceOf(std::uint32_t chunk) const {
    return options_.begin + chunk * std::uint64_t{buffer_bytes_};
  }
  // A free one; kNone where no more than `kept` are.
  std::uint32_t TakeBuffer(std::uint32_t kept);
  void Free(std::uint32_t buffer) { free_buffers_.push_back(buffer); }
  void Write(Window& window);
  void AwaitWrite(std::uint32_t chunk);
  void BeginDelivery(Window& window, std::uint32_t level,
                     absl::FunctionRef<void(const Copy& copy)> receive);
  // `at`: where it was in the file.
  void Give(std::uint32_t buffer, std::uint64_t at,
            absl::FunctionRef<void(const Copy& copy)> receive);
  void BeginReads();

  const Options options_;
  const std::size_t entry_bytes_;
  const std::size_t buffer_bytes_;
  const std::uint32_t rows_of_chunk_;
  Pages pages_;  // Of all buffers.
  std::unique_ptr<Buffer[]> buffers_;
  std::vector<std::uint32_t> free_buffers_;
  std::vector<std::uint32_t>
      after_;  // By chunk: the next of its window, or of those that are free.
  std::uint32_t free_chunks_ = kNone;
  std::array<std::array<Window, kWindowsOfLevel>, kLevels> windows_;
  std::array<std::uint32_t, kLevels>
      due_{};  // By level: the first window that has not begun to come.
  std::array<std::uint32_t, kLevels> closed_{};  // The first that may get rows.
  std::uint32_t now_ = 0;
  std::vector<Delivery> deliveries_;
  std::vector<Move> writing_;  // In the order in which they began.
  std::vector<Move> reading_;
};

}  // namespace cf
