#include "common/text/json_writer.h"

#include <charconv>
#include <cmath>

#include "common/text/utf8.h"

namespace cf {
namespace {

constexpr char kReplacement[] = "\xef\xbf\xbd";  // U+FFFD
constexpr char kHex[] = "0123456789abcdef";

template <class Float>
std::string ShortestText(Float value) {
  if (!std::isfinite(value)) return "null";
  char text[32];  // The longest double takes 24.
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, value);
  return {text, end.ptr};
}

// Whether the character stands for itself within quotes.
bool IsPlain(char c) {
  return c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
}

}  // namespace

void JsonWriter::Separate() {
  if (text_.empty()) return;
  const char last = text_.back();
  if (last != '{' && last != '[' && last != ':') text_ += ',';
}

void JsonWriter::Begin(char bracket) {
  Separate();
  text_ += bracket;
}

void JsonWriter::Key(std::string_view name) {
  String(name);
  text_ += ':';
}

void JsonWriter::String(std::string_view text) {
  Separate();
  text_ += '"';
  while (!text.empty()) {
    std::size_t plain = 0;  // Of these, char is signed: bytes of other than ASCII are none.
    while (plain < text.size() && IsPlain(text[plain])) ++plain;
    text_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const char c = text.front();
    std::size_t length = BytesOfCharacter(text);
    if (length == 0) {
      text_ += kReplacement;
      length = 1;
    } else if (length > 1) {
      text_ += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      text_ += '\\';
      text_ += c;
    } else if (c == '\n') {
      text_ += "\\n";
    } else {
      text_ += "\\u00";
      text_ += kHex[static_cast<unsigned char>(c) >> 4];
      text_ += kHex[static_cast<unsigned char>(c) & 0xf];
    }
    text.remove_prefix(length);
  }
  text_ += '"';
}

void JsonWriter::Number(float value) {
  Raw(ShortestText(value));
}

void JsonWriter::Number(double value) {
  Raw(ShortestText(value));
}

void JsonWriter::Raw(std::string_view json) {
  Separate();
  text_ += json;
}

}  // namespace cf
