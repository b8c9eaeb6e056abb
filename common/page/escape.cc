#include "common/page/escape.h"

#include <cstddef>

#include "common/text/utf8.h"

namespace cf {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD

/// The bytes of the character at the front of `text`; 0 where there is none that XML 1.0 has in its
/// texts.
std::size_t LengthOfCharacter(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x20 && first != '\t' && first != '\n' && first != '\r') return 0;
  const std::size_t length = BytesOfCharacter(text);
  const std::string_view character = text.substr(0, length);
  return character == "\xef\xbf\xbe" || character == "\xef\xbf\xbf" ? 0 : length;
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
