#pragma once

#include <string>
#include <vector>

#include "common/base/ids.h"
#include "common/text/text_table.h"
#include "launch/snapshot_output.h"
#include "serving/open_model.h"

namespace cf {

/// A table of items: columns of the verb's own, then what the data set knows of each item. For
/// people the columns of titles and genres are left out where there are none; programs get all of
/// them, always.
///
/// Owner:   the verb that prints it.
/// Threads: one.
/// Bounds:  all its rows in memory.
class ItemTable {
 public:
  /// `before` and `behind` are the columns before and behind the item's. Borrows `open`.
  ItemTable(const OpenModel& open, const Output& output, std::vector<TextTable::Column> before,
            std::vector<TextTable::Column> behind = {});

  /// Requires: as many cells as columns.
  void AddRow(std::vector<std::string> before, RowId item, std::vector<std::string> behind = {});

  std::string Format() const { return table_.Format(format_); }

 private:
  const OpenModel& open_;
  TableFormat format_;
  bool titles_;
  TextTable table_;
};

/// A score as people read it.
std::string ScoreText(float value);

}  // namespace cf
