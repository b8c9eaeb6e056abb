#include "paramserver/refusal_log.h"

#include <tuple>
#include <utility>

namespace cf {

void RefusalLog::Note(TableId table, std::uint64_t step, RowId row) {
  Refusals& of_table = by_table_[Index(table)];
  const bool is_first =
      of_table.count == 0 || std::tie(step, row) < std::tie(of_table.step, of_table.row);
  if (is_first) {
    of_table.step = step;
    of_table.row = row;
  }
  ++of_table.count;
}

std::vector<Refusals> RefusalLog::Take() {
  return std::exchange(by_table_, std::vector<Refusals>(by_table_.size()));
}

}  // namespace cf
