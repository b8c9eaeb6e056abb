#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <vector>

#include <absl/status/status.h>

#include "paramserver/row_database.h"

namespace cf {

/// Threads that read rows from disk, many at once, and one that writes them: whoever wants a row asks
/// early and goes on, and whoever lets rows go hands them over and goes on.
///
/// A read blocks its thread, as RocksDB does without io_uring, and a disk gives most when it is asked
/// for much at once: hence as many threads as reads are to be under way, though most of them wait.
///
/// Owner:      CachedStore, one for all compute threads.
/// Threads:    any.
/// Bounds:     what callers have under way; kReaders + 1 threads.
/// Invariants: batches are written in the order in which one thread has handed them over. After an
///             error nothing is read or written any more: no row is safe.
class RowMover {
 public:
  /// More gave no more rows a second (docs/results.md, beyond memory).
  static constexpr std::uint32_t kReaders = 32;

  enum class Progress : std::uint8_t { kDone, kUnderWay };

  /// A row to be read to `row`, and where to say so once it is there.
  struct Read {
    RowKey key;
    std::span<float> row;
    std::atomic<Progress>* progress = nullptr;
  };
  /// Rows to be written, and where to say so once they can be read.
  struct Write {
    RowDatabase::Batch batch;
    std::atomic<Progress>* progress = nullptr;
  };
  struct Traffic {
    std::uint64_t rows_read = 0;
    std::uint64_t rows_written = 0;
  };

  /// `database` is borrowed.
  explicit RowMover(RowDatabase* database);
  ~RowMover();
  RowMover(const RowMover&) = delete;
  RowMover& operator=(const RowMover&) = delete;

  /// Begins them. Requires: their progress is kUnderWay; all they point at stays until it is kDone.
  void Begin(std::span<const Read> reads);
  void Begin(const Write& write);

  /// Waits until it is kDone, well or not.
  static void Await(const std::atomic<Progress>& progress) {
    progress.wait(Progress::kUnderWay, std::memory_order_acquire);
  }

  /// The first error of reading or writing. Not OK before the progress of what failed is kDone.
  absl::Status status() const;

  Traffic traffic() const { return {.rows_read = rows_read_, .rows_written = rows_written_}; }

 private:
  void Fail(const absl::Status& error);
  static void Finish(std::atomic<Progress>& progress);
  void ReadOn(const std::stop_token& stop);
  void WriteOn(const std::stop_token& stop);

  RowDatabase* const database_;
  std::atomic<bool> failed_{false};
  std::atomic<std::uint64_t> rows_read_{0};
  std::atomic<std::uint64_t> rows_written_{0};

  // Compute threads hand over to the threads of this object.
  mutable std::mutex mutex_;
  std::condition_variable_any reads_come_;
  std::condition_variable_any writes_come_;
  std::deque<Read> reads_;  // Guarded by mutex_, as are the next.
  std::deque<Write> writes_;
  absl::Status error_;
  std::vector<std::jthread> threads_;  // Use all of the above.
};

}  // namespace cf
