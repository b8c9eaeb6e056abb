#pragma once

#include <cstdint>
#include <span>

#include <absl/status/status.h>

#include "common/rows/row_client.h"
#include "common/rows/row_copies.h"

namespace cf {

/// Reads rows of any partition between steps, a turn of the exchange at a time: all seats of the
/// job take the same number of turns, whether they want rows or not.
///
/// Owner:   whoever reads, for one command.
/// Threads: the seat's compute thread.
/// Bounds:  the rows of one turn, which travel in one frame from each server.
class RowReader {
 public:
  /// `rows`, of the same thread, is borrowed; `turn` is the first to take.
  RowReader(RowClient& rows, std::uint64_t turn);
  ~RowReader();
  RowReader(const RowReader&) = delete;
  RowReader& operator=(const RowReader&) = delete;

  /// Takes a turn and copies the rows of `ids` to `copies`, in their order. The exchange's error if
  /// a peer is lost. Requires: each id once.
  absl::Status Read(TableId table, std::span<const RowId> ids, RowCopies& copies);

 private:
  RowClient& rows_;
  std::uint64_t turn_;
  BatchRows batch_;
};

}  // namespace cf
