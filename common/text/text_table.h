#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace cf {

enum class TableFormat { kText, kCsv };

/// A small table for people or programs: aligned columns (numbers to the right), or CSV.
///
/// As text every line fits the width, whatever is in the cells: columns of words that are empty in
/// all rows are left out; then words are cut, the widest first; then the columns come in several
/// blocks, each of which begins with the first one. A figure is never cut. As CSV everything is
/// there, as it is.
///
/// Owner:   the command that prints it.
/// Threads: one.
/// Bounds:  all its rows in memory.
class TextTable {
 public:
  struct Column {
    std::string name;
    bool right = false;
    bool words = false;  ///< May be cut, such as a title, and is left out where there are none.
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Requires: as many cells as columns.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  /// With a line of column names first; lines end with a newline. Text is as wide as the terminal
  /// that standard output is, or as TerminalWidth says.
  std::string Format(TableFormat format) const;

  /// As text of at most so many columns. Requires: width >= 20.
  std::string FormatText(std::size_t width) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cf
