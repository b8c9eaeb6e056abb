#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace cf {

/// No record of a file is longer: a lost quote must not make a record of a file.
inline constexpr std::size_t kRecordBytesMax = 1 << 20;

/// What tells where a record ends and its fields do.
struct RecordSyntax {
  std::string separator = ",";  ///< kBlanks: any run of blanks.
  bool quotes = true;           ///< Whether fields may be quoted, and then hold ends of line.
};

/// The length of the first record of `text`, with its end of line; 0 if it may go on behind the
/// text, which it cannot where `whole` says that the file ends there. A record whose quotes are
/// malformed ends with its first line, so that what follows is read again as it would be without
/// it.
std::size_t RecordBytes(std::string_view text, const RecordSyntax& syntax, bool whole);

/// The length of all whole records at the start of `text`, likewise.
std::size_t RecordsBytes(std::string_view text, const RecordSyntax& syntax, bool whole);

/// Without LF or CRLF at its end.
std::string_view WithoutEndOfLine(std::string_view record);

/// Whether a record has nothing but blanks: such ones are ignored everywhere.
bool IsBlank(std::string_view record);

/// How many lines of the file the text is; a last one need not be ended.
std::uint64_t LinesOf(std::string_view text);

}  // namespace cf
