#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "common/dataset/record_format.h"

namespace cf {

/// A line whose fields are numbers.
struct PlainLine {
  std::int64_t user = 0;
  std::int64_t item = 0;
  float rating = 1;
  std::int64_t timestamp = 0;
};

/// Reads lines of plain decimals, which nearly all lines of nearly all files are, eight digits at a
/// time and with one look for where they end. What it takes it reads as ParseRecord does, to the
/// bit; anything else, an error among it, is ParseRecord's.
///
/// Owner:   whoever reads a chunk.
/// Threads: any; constant after construction.
class PlainLines {
 public:
  /// So many bytes after the text must be readable, and zero.
  static constexpr std::size_t kPadding = 64;
  /// No longer separator is taken.
  static constexpr std::size_t kDelimiterBytesMax = 2;

  explicit PlainLines(const RecordFormat& format);

  /// Reads the line at `at` and returns where the next one begins; null where ParseRecord must look.
  /// Requires: `at` < `end`, kPadding behind `end`.
  const char* Read(const char* at, const char* end, PlainLine* line) const;

 private:
  enum class Column : std::uint8_t { kUnused, kUser, kItem, kRating, kTimestamp };
  static constexpr std::size_t kFieldsMax = 32;

  std::size_t fields_ = 0;  // 0: no line is taken.
  std::array<Column, kFieldsMax> columns_{};
  char delimiter_[kDelimiterBytesMax] = {0, 0};
  std::size_t delimiter_bytes_ = 1;
  std::int64_t units_of_second_ = 1;
};

}  // namespace cf
