#include "common/text/text_table.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/text/csv.h"

namespace cf {
namespace {

// Characters of UTF-8: all bytes but those that continue one.
std::size_t WidthOf(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t k = 0; k < cells.size(); ++k) {
    if (k > 0) line += ',';
    line += CsvField(cells[k]);
  }
  return line + "\n";
}

}  // namespace

std::string TextTable::Format(TableFormat format) const {
  if (format == TableFormat::kText) return FormatText();
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  std::string text = CsvLine(names);
  for (const std::vector<std::string>& row : rows_) text += CsvLine(row);
  return text;
}

std::string TextTable::FormatText() const {
  std::vector<std::size_t> widths;
  for (const Column& column : columns_) widths.push_back(WidthOf(column.name));
  for (const std::vector<std::string>& row : rows_) {
    Check(row.size() == columns_.size(), "a row has a cell for each column");
    for (std::size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], WidthOf(row[k]));
  }
  std::string text;
  const auto add_line = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t k = 0; k < columns_.size(); ++k) {
      const std::string& cell = cell_of(k);
      const std::string padding(widths[k] - WidthOf(cell), ' ');
      line += "  ";
      line += columns_[k].right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  add_line([&](std::size_t k) -> const std::string& { return columns_[k].name; });
  for (const std::vector<std::string>& row : rows_) {
    add_line([&](std::size_t k) -> const std::string& { return row[k]; });
  }
  return text;
}

}  // namespace cf
