#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cf {

enum class TableFormat { kText, kCsv };

/// A small table for people or programs: aligned columns (numbers to the right), or CSV.
///
/// Owner:   the command that prints it.
/// Threads: one.
/// Bounds:  all its rows in memory.
class TextTable {
 public:
  struct Column {
    std::string name;
    bool right = false;
  };
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  /// Requires: as many cells as columns.
  void AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  /// With a line of column names first; lines end with a newline.
  std::string Format(TableFormat format) const;

 private:
  std::string FormatText() const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace cf
