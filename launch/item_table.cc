#include "launch/item_table.h"

#include <utility>

#include <absl/strings/str_format.h>

#include "common/text/numbers.h"

namespace cf {
namespace {

std::vector<TextTable::Column> Columns(std::vector<TextTable::Column> before, bool titles,
                                       std::vector<TextTable::Column> behind) {
  std::vector<TextTable::Column> columns = std::move(before);
  columns.push_back({.name = "item", .right = titles});
  if (titles) columns.push_back({.name = "title", .words = true});
  columns.push_back({.name = "genres", .words = true});
  for (TextTable::Column& column : behind) columns.push_back(std::move(column));
  return columns;
}

}  // namespace

ItemTable::ItemTable(const OpenModel& open, const Output& output,
                     std::vector<TextTable::Column> before, std::vector<TextTable::Column> behind)
    : open_(open),
      format_(output.table_format()),
      titles_(!output.for_people() ||
              (open.data().has_titles() && !open.data().items_keyed_by_title())),
      table_(Columns(std::move(before), titles_, std::move(behind))) {
}

void ItemTable::AddRow(std::vector<std::string> before, RowId item,
                       std::vector<std::string> behind) {
  std::vector<std::string> cells = std::move(before);
  cells.push_back(open_.data().item_raw_id(item));
  if (titles_) cells.push_back(open_.data().title(item));
  cells.push_back(open_.data().genres(item));
  for (std::string& cell : behind) cells.push_back(std::move(cell));
  table_.AddRow(std::move(cells));
}

std::string ScoreText(float value) {
  return FixedText(static_cast<double>(value), 3);
}

}  // namespace cf
