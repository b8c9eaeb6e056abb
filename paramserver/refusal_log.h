#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/ids.h"

namespace cf {

/// The gradients of a table that were refused.
struct Refusals {
  std::uint64_t count = 0;
  std::uint64_t step = 0;  ///< The first step that had one, counted from 0,
  RowId row{};             ///< and the first row in it.
};

/// What a seat's optimizer has refused since it was last asked.
///
/// Owner:   whoever applies gradients: RowService, BlockHost.
/// Threads: that of its owner.
/// Bounds:  a few numbers for each table.
/// Invariants: which row is named does not depend on the order in which refusals are noted.
class RefusalLog {
 public:
  explicit RefusalLog(std::size_t tables) : by_table_(tables) {}

  void Note(TableId table, std::uint64_t step, RowId row);

  /// By table; the log is empty then.
  std::vector<Refusals> Take();

 private:
  std::vector<Refusals> by_table_;
};

}  // namespace cf
