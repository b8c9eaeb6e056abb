#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <semaphore>
#include <span>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/scratch_file.h"
#include "paramserver/stored_row.h"

namespace cf {

/// Threads that read rows from disk and write pages of them, many at once: whoever wants a row asks
/// early and goes on, and whoever lets rows go hands them over and goes on.
///
/// A disk gives most when it is asked for much at once, and a call blocks its thread: hence as many
/// threads as calls are to be under way, though most of them wait. io_uring would spare half of the
/// CPU of a read (docs/results.md, rows one by one), but is forbidden in many containers. A thread
/// that has got work wakes the next one, so that who hands over wakes few.
///
/// Owner:      CachedStore, one for all compute threads.
/// Threads:    any.
/// Bounds:     what callers have under way, and BytesFor.
/// Invariants: writes go before reads, and rows before loads. After an error nothing is read or written
///             any more: no row is safe.
class RowMover {
 public:
  /// More gave few more rows a second.
  static constexpr std::uint32_t kThreads = 64;

  enum class Progress : std::uint8_t {
    kDone,
    kUnderWay,
    kNotAsWritten,  ///< Of a read: what was found there is not the row.
  };

  /// A row to be read to `row`, and where to say so once it is there.
  struct Read {
    RowKey key;
    std::uint64_t at = 0;  ///< In the file.
    std::span<float> row;
    std::atomic<Progress>* progress = nullptr;
  };
  /// Whole pages to be read to `pages`, whatever is there.
  struct Load {
    std::uint64_t at = 0;
    std::span<std::byte> pages;
    std::atomic<Progress>* progress = nullptr;
  };
  /// Pages to be written, and where to say so once they can be read.
  struct Write {
    std::uint64_t at = 0;
    std::span<const std::byte> pages;
    std::atomic<Progress>* progress = nullptr;
  };
  struct Traffic {
    std::uint64_t rows_read = 0;  ///< Alone.
    std::uint64_t bytes_loaded = 0;
    std::uint64_t bytes_written = 0;
  };

  /// The memory of one for rows of at most so many floats.
  static std::size_t BytesFor(std::size_t floats_max);

  /// `file` is borrowed.
  RowMover(ScratchFile* file, std::size_t floats_max);
  ~RowMover();
  RowMover(const RowMover&) = delete;
  RowMover& operator=(const RowMover&) = delete;

  /// Hands them over. They begin with the next Kick or Await: to wake a thread costs as much as a read.
  /// Requires: their progress is kUnderWay; all they point at stays until it is not.
  void Begin(std::span<const Read> reads);
  void Begin(const Load& load);
  void Begin(const Write& write);
  void Kick();

  static bool IsUnderWay(const std::atomic<Progress>& progress) {
    return progress.load(std::memory_order_acquire) == Progress::kUnderWay;
  }
  /// Waits until it is not under way any more, well or not.
  void Await(const std::atomic<Progress>& progress) {
    if (!IsUnderWay(progress)) return;
    Kick();
    progress.wait(Progress::kUnderWay, std::memory_order_acquire);
  }

  /// The first error of reading or writing. Not OK before what failed is no longer under way.
  absl::Status status() const;
  /// What somebody else found wrong with the file.
  void Fail(const absl::Status& error);

  Traffic traffic() const {
    return {
        .rows_read = rows_read_, .bytes_loaded = bytes_loaded_, .bytes_written = bytes_written_};
  }

 private:
  // Requires: mutex_ is locked.
  bool has_work() const { return !writes_.empty() || !reads_.empty() || !loads_.empty(); }
  static void Finish(std::atomic<Progress>& progress, Progress how);
  void Work();
  void Do(const Read& read, std::span<std::byte> pages);
  void Do(const Load& load);
  void Do(const Write& write);

  ScratchFile* const file_;
  const std::size_t buffer_bytes_;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> rows_read_{0};
  std::atomic<std::uint64_t> bytes_loaded_{0};
  std::atomic<std::uint64_t> bytes_written_{0};

  // Compute threads hand over to the threads of this object.
  mutable std::mutex mutex_;
  std::counting_semaphore<> work_comes_{0};
  std::deque<Read> reads_;  // Guarded by mutex_, as are the next.
  std::deque<Load> loads_;
  std::deque<Write> writes_;
  std::uint32_t idle_ = 0;  // Threads that wait for work.
  bool ends_ = false;       // Once nothing is left to do.
  absl::Status error_;
  std::vector<std::jthread> threads_;  // Use all of the above.
};

/// Reads the whole pages around a stored row, which direct access asks for, into `pages`: the part of
/// them that is the row. Requires: `pages` has room, as AroundBytes says.
absl::StatusOr<std::span<const std::byte>> ReadAround(const ScratchFile& file, std::uint64_t at,
                                                      std::size_t stored_bytes,
                                                      std::span<std::byte> pages);
std::size_t AroundBytes(std::size_t stored_bytes);

}  // namespace cf
