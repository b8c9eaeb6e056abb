#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cf {

/// How the bytes of a text file are read. Automatic: UTF-8 where the bytes are, else latin-1 where it
/// has signs for all of them.
enum class Encoding { kAutomatic, kUtf8, kLatin1, kCp1252 };

/// A separator that is any run of spaces and tabs, not one space.
inline constexpr std::string_view kBlanks = " ";

/// Whether the bytes are well-formed UTF-8 (no overlong forms, no surrogates, at most U+10FFFF).
bool IsUtf8(std::string_view bytes);

/// Every byte is the code point of its number.
std::string Latin1ToUtf8(std::string_view bytes);

/// What Windows calls ANSI in western Europe: latin-1 with signs in place of control characters.
std::string Cp1252ToUtf8(std::string_view bytes);

/// Whether latin-1 has signs for all of the bytes: not for those from 0x80 to 0x9F, which it has
/// control characters for, and other encodings signs.
bool MayBeLatin1(std::string_view bytes);

/// The text in UTF-8; nothing if it is not in the encoding.
std::optional<std::string> Decode(std::string_view bytes, Encoding encoding);

/// Without spaces at both ends.
std::string_view Trim(std::string_view text);

/// Reads one record field by field. A quoted field may hold ends of line.
///
/// Owner:   the caller, for one record (without its end of line); the record outlives it.
/// Threads: not thread-safe.
class FieldReader {
 public:
  /// With `quotes`, a field that starts with '"' ends at the next single '"' and may hold the
  /// delimiter and doubled quotes (RFC 4180). Requires: `delimiter` is not empty.
  FieldReader(std::string_view record, std::string_view delimiter, bool quotes)
      : rest_(record), delimiter_(delimiter), blanks_(delimiter == kBlanks), quotes_(quotes) {}

  /// The next field, without the spaces around it; it holds until the next call. False at the end
  /// of the record, or when it is malformed: then error() says why.
  bool Next(std::string_view* field);

  /// Null while all is well.
  const char* error() const { return error_; }

 private:
  bool NextQuoted(std::string_view* field);
  /// Moves behind the delimiter at the start of the rest, if there is one.
  void PassDelimiter();

  std::string_view rest_;
  std::string_view delimiter_;
  bool blanks_;
  bool quotes_;
  bool ended_ = false;
  const char* error_ = nullptr;
  std::string unescaped_;
};

/// For messages: at most 40 bytes, bytes that are not printable ASCII or UTF-8 as \xNN.
std::string Quoted(std::string_view text);

}  // namespace cf
