#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/dataset/records.h"

namespace cf {

/// The first records of a file, split into fields as one syntax has it; what detection looks at.
struct RecordTable {
  RecordSyntax syntax;
  std::vector<std::vector<std::string>> rows;
  std::string error;            ///< Of the first record, if it is malformed.
  std::size_t first_begin = 0;  ///< Where the first record begins,
  std::size_t first_end = 0;    ///< and where it ends.

  std::size_t fields() const { return rows.empty() ? 0 : rows.front().size(); }
  /// Whether every record has as many fields as the first.
  bool consistent() const;
};

/// The first `rows_max` records of `text` that are not blank; malformed ones have no fields.
RecordTable ReadTable(std::string_view text, bool whole, const RecordSyntax& syntax,
                      std::size_t rows_max);

/// What comes before the first record: a byte order mark, and a line "sep=;" as Excel writes it.
struct TableStart {
  std::size_t begin = 0;
  std::string separator;  ///< Of that line; empty without one.
};
TableStart FindTableStart(std::string_view text);

/// Whether a field could only be a number: of digits, signs and points.
bool LooksLikeNumber(std::string_view field);

/// The separators that are found out, in the order in which equal ones are preferred.
const std::vector<std::string>& KnownSeparators();

/// "tabs", "\";\""; for messages.
std::string SeparatorName(std::string_view separator);

}  // namespace cf
