#include "common/page/escape.h"

#include <cstddef>
#include <cstdint>

namespace cf {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD

/// A range of lead bytes: how many bytes follow, and the least code point worth so many.
struct Lead {
  unsigned char mask;
  unsigned char bits;
  std::size_t following;
  std::uint32_t least;
};
constexpr Lead kLeads[] = {
    {0x80, 0x00, 0, 0}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};

/// Whether XML 1.0 has the character in its texts.
bool IsCharacter(std::uint32_t code) {
  if (code < 0x20) return code == '\t' || code == '\n' || code == '\r';
  return code < 0xd800 || (code >= 0xe000 && code < 0xfffe) ||
         (code >= 0x10000 && code <= 0x10ffff);
}

/// The bytes of the character at the front of `text`; 0 where there is none that may stand here.
std::size_t LengthOfCharacter(std::string_view text) {
  const auto byte = [&text](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  for (const Lead& lead : kLeads) {
    if ((byte(0) & lead.mask) != lead.bits) continue;
    if (text.size() <= lead.following) return 0;
    std::uint32_t code = byte(0) & static_cast<unsigned char>(~lead.mask);
    for (std::size_t k = 1; k <= lead.following; ++k) {
      if ((byte(k) & 0xc0) != 0x80) return 0;
      code = (code << 6) | (byte(k) & 0x3fU);
    }
    return code >= lead.least && IsCharacter(code) ? lead.following + 1 : 0;
  }
  return 0;
}

}  // namespace

std::string EscapeMarkup(std::string_view text) {
  std::string escaped;
  escaped.reserve(text.size());
  while (!text.empty()) {
    const std::size_t length = LengthOfCharacter(text);
    const std::string_view character = text.substr(0, length);
    if (length == 0) {
      escaped += kReplacement;
    } else if (character == "&") {
      escaped += "&amp;";
    } else if (character == "<") {
      escaped += "&lt;";
    } else if (character == ">") {
      escaped += "&gt;";
    } else if (character == "\"") {
      escaped += "&quot;";
    } else if (character == "'") {
      escaped += "&#39;";
    } else {
      escaped += character;
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return escaped;
}

}  // namespace cf
