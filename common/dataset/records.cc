#include "common/dataset/records.h"

#include <algorithm>

#include "common/dataset/text.h"

namespace cf {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

/// Where the quoted field that starts at `begin` (behind its quote) is over, behind its closing
/// quote; kNone if it does not end in the text.
std::size_t EndOfQuoted(std::string_view text, std::size_t begin) {
  for (;;) {
    const std::size_t quote = text.find('"', begin);
    if (quote == kNone) return kNone;
    if (quote + 1 == text.size() || text[quote + 1] != '"') return quote + 1;
    begin = quote + 2;
  }
}

/// Where a separator at `at` ends; `at` if there is none.
std::size_t BehindSeparator(std::string_view text, std::size_t at, const RecordSyntax& syntax) {
  if (syntax.separator == kBlanks) {
    return std::min(text.find_first_not_of(" \t", at), text.size());
  }
  return text.substr(at).starts_with(syntax.separator) ? at + syntax.separator.size() : at;
}

std::size_t SkipSpaces(std::string_view text, std::size_t at) {
  return std::min(text.find_first_not_of(' ', at), text.size());
}

/// Where the line at `begin` ends, with its end of line.
std::size_t EndOfLine(std::string_view text, std::size_t begin, bool whole) {
  const std::size_t newline = text.find('\n', begin);
  if (newline != kNone) return newline + 1;
  return whole ? text.size() : 0;
}

}  // namespace

std::size_t RecordBytes(std::string_view text, const RecordSyntax& syntax, bool whole) {
  const std::size_t first_line = EndOfLine(text, 0, whole);
  // A line that is too long for a record is no part of one.
  if (!syntax.quotes || first_line == 0 || first_line > kRecordBytesMax ||
      text.substr(0, first_line).find('"') == kNone) {
    return first_line;
  }
  // What decides is within the longest record, so that it does not matter where the text is cut.
  const bool decided = whole || text.size() >= kRecordBytesMax;
  whole = whole && text.size() <= kRecordBytesMax;
  text = text.substr(0, kRecordBytesMax);
  const std::size_t undecided = decided ? first_line : 0;
  std::size_t line = first_line;
  // Each turn is a field that begins at `at`; `line` is the end of the line it begins on.
  for (std::size_t at = 0;;) {
    at = SkipSpaces(text, at);
    if (at >= line) return line;
    if (text[at] != '"') {
      const std::string_view rest = text.substr(at, line - at);
      const std::size_t separator =
          syntax.separator == kBlanks ? rest.find_first_of(" \t") : rest.find(syntax.separator);
      if (rest.find('"') == kNone || separator == kNone) return line;
      at = BehindSeparator(text, at + separator, syntax);
      continue;
    }
    const std::size_t closed = EndOfQuoted(text, at + 1);
    // Behind it may come what doubles the quote.
    if (closed == kNone || (closed == text.size() && !whole)) return undecided;
    if (closed > line) line = EndOfLine(text, closed, whole);
    if (line == 0) return undecided;
    const std::size_t next = syntax.separator == kBlanks ? closed : SkipSpaces(text, closed);
    if (next >= line || WithoutEndOfLine(text.substr(next, line - next)).empty()) return line;
    at = BehindSeparator(text, next, syntax);
    if (at == next) return first_line;
  }
}

std::size_t RecordsBytes(std::string_view text, const RecordSyntax& syntax, bool whole) {
  if (!syntax.quotes || text.find('"') == kNone) {
    return whole ? text.size() : text.rfind('\n') + 1;
  }
  std::size_t bytes = 0;
  while (bytes < text.size()) {
    const std::size_t record = RecordBytes(text.substr(bytes), syntax, whole);
    if (record == 0) break;
    bytes += record;
  }
  return bytes;
}

std::string_view WithoutEndOfLine(std::string_view record) {
  if (record.ends_with('\n')) record.remove_suffix(1);
  if (record.ends_with('\r')) record.remove_suffix(1);
  return record;
}

bool IsBlank(std::string_view record) {
  return record.find_first_not_of(" \t\r\n") == kNone;
}

std::uint64_t LinesOf(std::string_view text) {
  const auto ends = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n'));
  return text.empty() || text.ends_with('\n') ? ends : ends + 1;
}

}  // namespace cf
