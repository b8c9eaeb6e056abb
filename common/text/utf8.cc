#include "common/text/utf8.h"

#include <cstdint>

namespace cf {
namespace {

/// A range of lead bytes: how many bytes follow, and the least code point worth so many.
struct Lead {
  unsigned char mask;
  unsigned char bits;
  std::size_t following;
  std::uint32_t least;
};
constexpr Lead kLeads[] = {
    {0x80, 0x00, 0, 0}, {0xe0, 0xc0, 1, 0x80}, {0xf0, 0xe0, 2, 0x800}, {0xf8, 0xf0, 3, 0x10000}};

}  // namespace

std::size_t BytesOfCharacter(std::string_view text) {
  if (text.empty()) return 0;
  const auto byte = [&text](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  for (const Lead& lead : kLeads) {
    if ((byte(0) & lead.mask) != lead.bits) continue;
    if (text.size() <= lead.following) return 0;
    std::uint32_t code = byte(0) & static_cast<unsigned char>(~lead.mask);
    for (std::size_t k = 1; k <= lead.following; ++k) {
      if ((byte(k) & 0xc0) != 0x80) return 0;
      code = (code << 6) | (byte(k) & 0x3fU);
    }
    const bool sound = code >= lead.least && code <= 0x10ffff && !(code >= 0xd800 && code < 0xe000);
    return sound ? lead.following + 1 : 0;
  }
  return 0;
}

bool IsPlainText(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = BytesOfCharacter(text);
    const auto first = static_cast<unsigned char>(text.front());
    if (bytes == 0 || first < 0x20 || first == 0x7f) return false;
    // U+0080 to U+009F are control characters, too.
    if (first == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

}  // namespace cf
