#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/rows/exchange.h"
#include "common/rows/rows.h"

namespace cf {

/// Copies of rows, one after the other: the padded vector, then the bias. Aligned to 64 bytes.
class RowBlock {
 public:
  /// Room for `rows` rows of the layout; what was there is lost.
  void Resize(std::size_t rows, const RowLayout& layout);

  std::size_t rows() const { return rows_; }
  std::size_t stride() const { return stride_; }
  float* row(std::size_t k) { return first_ + k * stride_; }
  const float* row(std::size_t k) const { return first_ + k * stride_; }

 private:
  std::vector<float> memory_;
  float* first_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t stride_ = 0;
};

/// Reads rows of any partition between steps, a turn of the exchange at a time: all seats of the
/// job take the same number of turns, whether they want rows or not.
///
/// Owner:   whoever reads, for one command.
/// Threads: the seat's compute thread.
/// Bounds:  the rows of one turn, which travel in one frame from each server.
class RowReader {
 public:
  struct Options {
    std::uint32_t seat = 0;
    Exchange* exchange = nullptr;  ///< Borrowed, as are the others.
    RowHost* host = nullptr;       ///< Of the same thread; null with dedicated servers.
    /// By server seat; null where the seat is in another process.
    std::vector<const RowHost*> hosts_here;
    std::uint64_t turn = 0;  ///< The first to take.
  };

  explicit RowReader(Options options);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  /// Takes a turn and copies the rows of `ids` to `block`, in their order. The exchange's error if
  /// a peer is lost. Requires: each id once.
  absl::Status Read(TableId table, std::span<const RowId> ids, RowBlock& block);

 private:
  void Ask(TableId table, std::span<const RowId> ids);
  absl::Status Take(TableId table, std::span<const RowId> ids, RowBlock& block);

  const Options options_;
  std::uint64_t turn_;

  // Scratch.
  std::vector<std::vector<std::uint32_t>> by_server_;  // By server seat: places in `ids`.
  std::vector<Parcel> replies_;
  std::vector<RowId> ids_;
  std::vector<const float*> pointers_;
};

}  // namespace cf
