#include "common/dataset/text.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

namespace cf {

bool IsUtf8(std::string_view bytes) {
  const auto at = [bytes](std::size_t k) { return static_cast<unsigned char>(bytes[k]); };
  for (std::size_t k = 0; k < bytes.size();) {
    const unsigned lead = at(k++);
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || bytes.size() - k < static_cast<std::size_t>(more)) {
      return false;
    }
    std::uint32_t point = lead & (0x3FU >> more);
    for (int i = 0; i < more; ++i) {
      const unsigned next = at(k++);
      if ((next & 0xC0) != 0x80) return false;
      point = (point << 6) | (next & 0x3F);
    }
    const std::uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
  }
  return true;
}

namespace {

/// Appends a code point below 2^16.
void AppendUtf8(std::uint32_t point, std::string* text) {
  if (point < 0x80) {
    *text += static_cast<char>(point);
    return;
  }
  if (point < 0x800) {
    *text += static_cast<char>(0xC0 | (point >> 6));
  } else {
    *text += static_cast<char>(0xE0 | (point >> 12));
    *text += static_cast<char>(0x80 | ((point >> 6) & 0x3F));
  }
  *text += static_cast<char>(0x80 | (point & 0x3F));
}

}  // namespace

std::string Latin1ToUtf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) AppendUtf8(static_cast<unsigned char>(c), &text);
  return text;
}

std::string Cp1252ToUtf8(std::string_view bytes) {
  // Of 0x80 to 0x9F; the five bytes that have no sign stay what they are in latin-1.
  constexpr std::array<std::uint16_t, 32> kSigns = {
      0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
      0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};
  std::string text;
  text.reserve(bytes.size());
  for (const char c : bytes) {
    const std::uint32_t byte = static_cast<unsigned char>(c);
    AppendUtf8(byte >= 0x80 && byte < 0xA0 ? kSigns[byte - 0x80] : byte, &text);
  }
  return text;
}

bool MayBeLatin1(std::string_view bytes) {
  return std::none_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 && byte < 0xA0;
  });
}

std::optional<std::string> Decode(std::string_view bytes, Encoding encoding) {
  if (encoding == Encoding::kLatin1) return Latin1ToUtf8(bytes);
  if (encoding == Encoding::kCp1252) return Cp1252ToUtf8(bytes);
  if (IsUtf8(bytes)) return std::string(bytes);
  if (encoding == Encoding::kAutomatic && MayBeLatin1(bytes)) return Latin1ToUtf8(bytes);
  return std::nullopt;
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

void FieldReader::PassDelimiter() {
  if (blanks_) {
    const std::size_t blanks = std::min(rest_.find_first_not_of(" \t"), rest_.size());
    rest_.remove_prefix(blanks);
    ended_ = rest_.empty();  // Blanks behind the last field end nothing.
  } else if (rest_.starts_with(delimiter_)) {
    rest_.remove_prefix(delimiter_.size());
    ended_ = false;
  }
}

bool FieldReader::Next(std::string_view* field) {
  if (ended_) return false;
  if (blanks_) PassDelimiter();
  if (ended_) return false;
  if (quotes_) {
    const std::size_t start = rest_.find_first_not_of(' ');
    if (start != std::string_view::npos && rest_[start] == '"') {
      rest_.remove_prefix(start + 1);
      return NextQuoted(field);
    }
  }
  const std::size_t end = blanks_ ? rest_.find_first_of(" \t") : rest_.find(delimiter_);
  *field = Trim(rest_.substr(0, end));
  ended_ = end == std::string_view::npos;
  if (ended_) return true;
  rest_.remove_prefix(end);
  PassDelimiter();
  return true;
}

bool FieldReader::NextQuoted(std::string_view* field) {
  ended_ = true;  // Unless a delimiter follows.
  const std::string_view whole = rest_;
  unescaped_.clear();
  for (bool doubled = false;; doubled = true) {
    const std::size_t quote = rest_.find('"');
    if (quote == std::string_view::npos) {
      error_ = "a quoted field does not end";
      return false;
    }
    if (!rest_.substr(quote + 1).starts_with('"')) {
      *field = whole.substr(0, quote);
      if (doubled) *field = unescaped_.append(rest_.substr(0, quote));
      rest_.remove_prefix(quote + 1);
      break;
    }
    unescaped_.append(rest_.substr(0, quote + 1));
    rest_.remove_prefix(quote + 2);
  }
  const bool separated = !blanks_ || rest_.empty() || rest_.find_first_of(" \t") == 0;
  if (!blanks_) rest_.remove_prefix(std::min(rest_.find_first_not_of(' '), rest_.size()));
  if (rest_.empty()) return true;
  if (!separated || !(blanks_ || rest_.starts_with(delimiter_))) {
    error_ = "something follows the quote that ends a field";
    return false;
  }
  PassDelimiter();
  return true;
}

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShown = 40;
  const std::string shown(text.substr(0, kShown));
  const std::string printable =
      IsUtf8(shown) ? absl::Utf8SafeCHexEscape(shown) : absl::CHexEscape(shown);
  return absl::StrCat("\"", printable, text.size() > kShown ? "..." : "", "\"");
}

}  // namespace cf
