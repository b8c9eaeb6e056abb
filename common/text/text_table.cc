#include "common/text/text_table.h"

#include <algorithm>
#include <numeric>
#include <unistd.h>

#include "common/base/check.h"
#include "common/text/csv.h"
#include "common/text/display.h"

namespace cf {
namespace {

constexpr std::size_t kGap = 2;  // In front of every column.
// Words that are cut shorter say nothing.
constexpr std::size_t kWordsMin = 12;

std::string CsvLine(const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t k = 0; k < cells.size(); ++k) {
    if (k > 0) line += ',';
    line += CsvField(cells[k]);
  }
  return line + "\n";
}

/// A column as it is shown.
struct ShownColumn {
  bool right = false;
  bool words = false;
  std::size_t width = 0;
  std::vector<std::string> cells = {};  ///< The name, then those of the rows.

  bool empty() const {
    return std::all_of(cells.begin() + 1, cells.end(),
                       [](const std::string& cell) { return cell.empty(); });
  }
};

std::size_t TotalWidth(const std::vector<ShownColumn>& columns) {
  return std::accumulate(
      columns.begin(), columns.end(), std::size_t{0},
      [](std::size_t sum, const ShownColumn& column) { return sum + kGap + column.width; });
}

/// Narrows the columns of words, the widest first, until the table fits or they are as narrow as
/// they may be.
void NarrowWords(std::size_t width, std::vector<ShownColumn>& columns) {
  for (std::size_t total = TotalWidth(columns); total > width; --total) {
    ShownColumn* widest = nullptr;
    for (ShownColumn& column : columns) {
      if (!column.words || column.width <= kWordsMin) continue;
      if (widest == nullptr || column.width > widest->width) widest = &column;
    }
    if (widest == nullptr) return;
    --widest->width;
  }
}

/// Leaves half of the line, and the widest of the others its place, beside what begins every block.
void NarrowFirst(std::size_t width, std::vector<ShownColumn>& columns) {
  constexpr std::size_t kLeast = 4;
  const std::size_t room = width - 2 * kGap;
  std::size_t widest = 0;
  for (std::size_t k = 1; k < columns.size(); ++k) {
    columns[k].width = std::min(columns[k].width, room - kLeast);
    widest = std::max(widest, columns[k].width);
  }
  columns[0].width = std::min({columns[0].width, width / 2, room - widest});
}

/// The columns from `begin` on that fit beside the first one, at least one.
std::size_t EndOfBlock(const std::vector<ShownColumn>& columns, std::size_t begin,
                       std::size_t width) {
  std::size_t total = kGap + columns[0].width;
  for (std::size_t end = begin; end < columns.size(); ++end) {
    total += kGap + columns[end].width;
    if (total > width && end > begin) return end;
  }
  return columns.size();
}

std::string Aligned(const std::string& cell, const ShownColumn& column) {
  const std::string shown = CutToWidth(cell, std::max(column.width, std::size_t{4}));
  const std::size_t wide = DisplayWidth(shown);
  const std::string padding(column.width > wide ? column.width - wide : 0, ' ');
  return std::string(kGap, ' ') + (column.right ? padding + shown : shown + padding);
}

}  // namespace

std::string TextTable::Format(TableFormat format) const {
  if (format == TableFormat::kText) return FormatText(TerminalWidth(STDOUT_FILENO));
  std::vector<std::string> names;
  for (const Column& column : columns_) names.push_back(column.name);
  std::string text = CsvLine(names);
  for (const std::vector<std::string>& row : rows_) text += CsvLine(row);
  return text;
}

std::string TextTable::FormatText(std::size_t width) const {
  std::vector<ShownColumn> columns;
  for (std::size_t k = 0; k < columns_.size(); ++k) {
    ShownColumn column = {.right = columns_[k].right, .words = columns_[k].words};
    column.cells.push_back(Printable(columns_[k].name));
    for (const std::vector<std::string>& row : rows_) {
      Check(row.size() == columns_.size(), "a row has a cell for each column");
      column.cells.push_back(Printable(row[k]));
    }
    for (const std::string& cell : column.cells) {
      column.width = std::max(column.width, DisplayWidth(cell));
    }
    if (!column.words || rows_.empty() || !column.empty()) columns.push_back(std::move(column));
  }
  if (columns.empty()) return "\n";
  NarrowWords(width, columns);
  if (TotalWidth(columns) > width) NarrowFirst(width, columns);
  std::string text;
  for (std::size_t begin = std::min(columns.size(), std::size_t{1});;) {
    ShownColumn& first = columns[0];
    const std::size_t end = begin == columns.size() ? begin : EndOfBlock(columns, begin, width);
    for (std::size_t row = 0; row <= rows_.size(); ++row) {
      std::string line = Aligned(first.cells[row], first);
      for (std::size_t k = begin; k < end; ++k) line += Aligned(columns[k].cells[row], columns[k]);
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
    if (end == columns.size()) return text;
    begin = end;
    text += "\n";
  }
}

}  // namespace cf
