#include "common/dataset/record_table.h"

#include <algorithm>

#include "common/dataset/text.h"

namespace cf {

bool RecordTable::consistent() const {
  return std::all_of(rows.begin(), rows.end(), [this](const std::vector<std::string>& row) {
    return row.size() == fields();
  });
}

RecordTable ReadTable(std::string_view text, bool whole, const RecordSyntax& syntax,
                      std::size_t rows_max) {
  RecordTable table = {.syntax = syntax, .rows = {}, .error = {}};
  for (std::size_t at = 0; at < text.size() && table.rows.size() < rows_max;) {
    const std::size_t bytes = RecordBytes(text.substr(at), syntax, whole);
    if (bytes == 0) break;
    const std::string_view record = WithoutEndOfLine(text.substr(at, bytes));
    at += bytes;
    if (IsBlank(record)) continue;
    std::vector<std::string> fields;
    FieldReader reader(record, syntax.separator, syntax.quotes);
    for (std::string_view field; reader.Next(&field);) fields.emplace_back(field);
    if (reader.error() != nullptr) fields.clear();
    if (table.rows.empty()) {
      table.first_begin = at - bytes;
      table.first_end = at;
      if (reader.error() != nullptr) table.error = reader.error();
    }
    table.rows.push_back(std::move(fields));
  }
  return table;
}

TableStart FindTableStart(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  TableStart start;
  if (text.starts_with(kByteOrderMark)) start.begin = kByteOrderMark.size();
  const std::string_view rest = text.substr(start.begin);
  const std::size_t end = rest.find('\n');
  if (end == std::string_view::npos) return start;
  const std::string_view line = WithoutEndOfLine(rest.substr(0, end + 1));
  if (line.size() == 5 && (line.starts_with("sep=") || line.starts_with("SEP="))) {
    start.separator = line.substr(4);
    start.begin += end + 1;
  }
  return start;
}

bool LooksLikeNumber(std::string_view field) {
  return !field.empty() && field.find_first_not_of("+-.0123456789") == std::string_view::npos;
}

const std::vector<std::string>& KnownSeparators() {
  static const std::vector<std::string> separators = {",", "\t", ";",
                                                      "|", "::", std::string(kBlanks)};
  return separators;
}

std::string SeparatorName(std::string_view separator) {
  if (separator == "\t") return "tabs";
  if (separator == kBlanks) return "blanks";
  return Quoted(separator);
}

}  // namespace cf
