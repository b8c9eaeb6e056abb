#include "common/text/display.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <sys/ioctl.h>

#include <absl/strings/numbers.h>
#include <absl/strings/str_format.h>

namespace cf {
namespace {

constexpr std::size_t kWidthDefault = 80;
constexpr std::size_t kWidthMin = 20;

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

// Characters that take two columns: East Asian Width W and F, and the emoji among them.
constexpr Range kWide[] = {
    {0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},
    {0x23f0, 0x23f0},   {0x23f3, 0x23f3},   {0x25fd, 0x25fe},   {0x2614, 0x2615},
    {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},
    {0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},
    {0x26d4, 0x26d4},   {0x26ea, 0x26ea},   {0x26f2, 0x26f3},   {0x26f5, 0x26f5},
    {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},
    {0x2728, 0x2728},   {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},
    {0x2757, 0x2757},   {0x2795, 0x2797},   {0x27b0, 0x27b0},   {0x27bf, 0x27bf},
    {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x303e},
    {0x3041, 0x33ff},   {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe10, 0xfe19},   {0xfe30, 0xfe6f},
    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18aff}, {0x1b000, 0x1b2ff},
    {0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a},
    {0x1f200, 0x1f320}, {0x1f32d, 0x1f335}, {0x1f337, 0x1f37c}, {0x1f37e, 0x1f393},
    {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
    {0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d},
    {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567}, {0x1f57a, 0x1f57a}, {0x1f595, 0x1f596},
    {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc},
    {0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6d7}, {0x1f6dd, 0x1f6df}, {0x1f6eb, 0x1f6ec},
    {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7eb}, {0x1f7f0, 0x1f7f0}, {0x1f90c, 0x1f93a},
    {0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

// Characters that take none: marks that join the one before them, joiners, variation selectors.
constexpr Range kJoining[] = {
    {0x0300, 0x036f},   {0x0483, 0x0489},   {0x0591, 0x05bd},   {0x05bf, 0x05bf},
    {0x05c1, 0x05c2},   {0x05c4, 0x05c5},   {0x05c7, 0x05c7},   {0x0610, 0x061a},
    {0x064b, 0x065f},   {0x0670, 0x0670},   {0x06d6, 0x06dc},   {0x06df, 0x06e4},
    {0x06e7, 0x06e8},   {0x06ea, 0x06ed},   {0x0711, 0x0711},   {0x0730, 0x074a},
    {0x07a6, 0x07b0},   {0x0816, 0x082d},   {0x0859, 0x085b},   {0x08d3, 0x0902},
    {0x093a, 0x093a},   {0x093c, 0x093c},   {0x0941, 0x0948},   {0x094d, 0x094d},
    {0x0951, 0x0957},   {0x0962, 0x0963},   {0x0981, 0x0981},   {0x09bc, 0x09bc},
    {0x09c1, 0x09c4},   {0x09cd, 0x09cd},   {0x0a01, 0x0a02},   {0x0a3c, 0x0a51},
    {0x0a70, 0x0a71},   {0x0a81, 0x0a82},   {0x0abc, 0x0abc},   {0x0ac1, 0x0ac8},
    {0x0acd, 0x0acd},   {0x0b01, 0x0b01},   {0x0b3c, 0x0b3c},   {0x0b3f, 0x0b3f},
    {0x0b41, 0x0b44},   {0x0b4d, 0x0b4d},   {0x0b82, 0x0b82},   {0x0bc0, 0x0bc0},
    {0x0bcd, 0x0bcd},   {0x0c3e, 0x0c40},   {0x0c46, 0x0c56},   {0x0cbc, 0x0cbc},
    {0x0ccc, 0x0ccd},   {0x0d41, 0x0d44},   {0x0d4d, 0x0d4d},   {0x0dca, 0x0dca},
    {0x0dd2, 0x0dd6},   {0x0e31, 0x0e31},   {0x0e34, 0x0e3a},   {0x0e47, 0x0e4e},
    {0x0eb1, 0x0eb1},   {0x0eb4, 0x0ebc},   {0x0ec8, 0x0ecd},   {0x0f18, 0x0f19},
    {0x0f35, 0x0f35},   {0x0f37, 0x0f37},   {0x0f39, 0x0f39},   {0x0f71, 0x0f7e},
    {0x0f80, 0x0f84},   {0x0f86, 0x0f87},   {0x0f8d, 0x0fbc},   {0x102d, 0x1030},
    {0x1032, 0x1037},   {0x1039, 0x103a},   {0x103d, 0x103e},   {0x1058, 0x1059},
    {0x105e, 0x1060},   {0x1071, 0x1074},   {0x1082, 0x1082},   {0x1085, 0x1086},
    {0x108d, 0x108d},   {0x1160, 0x11ff},   {0x135d, 0x135f},   {0x1712, 0x1714},
    {0x1732, 0x1734},   {0x1752, 0x1753},   {0x17b4, 0x17b5},   {0x17b7, 0x17bd},
    {0x17c6, 0x17c6},   {0x17c9, 0x17d3},   {0x180b, 0x180e},   {0x1920, 0x1922},
    {0x1ab0, 0x1aff},   {0x1b00, 0x1b03},   {0x1b34, 0x1b34},   {0x1dc0, 0x1dff},
    {0x200b, 0x200d},   {0x2060, 0x2064},   {0x20d0, 0x20f0},   {0x2cef, 0x2cf1},
    {0x2de0, 0x2dff},   {0x302a, 0x302d},   {0x3099, 0x309a},   {0xa66f, 0xa672},
    {0xa674, 0xa67d},   {0xa69e, 0xa69f},   {0xa6f0, 0xa6f1},   {0xa802, 0xa802},
    {0xa8c4, 0xa8c5},   {0xa8e0, 0xa8f1},   {0xd7b0, 0xd7ff},   {0xfb1e, 0xfb1e},
    {0xfe00, 0xfe0f},   {0xfe20, 0xfe2f},   {0xfeff, 0xfeff},   {0x1d167, 0x1d169},
    {0x1e000, 0x1e02a}, {0x1f3fb, 0x1f3ff}, {0xe0001, 0xe01ef},
};

template <std::size_t count>
bool Holds(const Range (&ranges)[count], std::uint32_t character) {
  const auto after =
      std::upper_bound(std::begin(ranges), std::end(ranges), character,
                       [](std::uint32_t value, const Range& range) { return value < range.first; });
  return after != std::begin(ranges) && character <= std::prev(after)->last;
}

/// The first character of a text and how many bytes it takes; 0 bytes: these are no UTF-8.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 0;
};

Character FirstOf(std::string_view text) {
  const auto byte = [&text](std::size_t k) -> std::uint32_t {
    return static_cast<unsigned char>(text[k]);
  };
  const std::uint32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < bytes) return {};
  std::uint32_t code = lead & (0x7fU >> bytes);
  for (std::size_t k = 1; k < bytes; ++k) {
    if ((byte(k) & 0xc0) != 0x80) return {};
    code = code << 6 | (byte(k) & 0x3f);
  }
  constexpr std::uint32_t kLeast[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kLeast[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return {};
  return {code, bytes};
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Character next = FirstOf(text);
    if (next.bytes == 0) return false;
    text.remove_prefix(next.bytes);
  }
  return true;
}

// What turns the direction of writing, or ends a line, without being a control character of ASCII.
bool IsActedUpon(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x200e || code == 0x200f ||
         code == 0x061c || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

std::size_t WidthOf(std::uint32_t code) {
  if (code < 0x300) return 1;
  // Before the wide ones, among which some are.
  if (Holds(kJoining, code)) return 0;
  return Holds(kWide, code) ? 2 : 1;
}

bool IsFigure(std::string_view word) {
  const std::size_t sign = !word.empty() && (word[0] == '-' || word[0] == '+') ? 1 : 0;
  return (word.size() > sign && word[sign] >= '0' && word[sign] <= '9') || word == "nan" ||
         word.substr(sign) == "inf";
}

// Whether it can be the name of a figure behind it: no sign ends a sentence or a part of one.
bool MayName(std::string_view word) {
  return !word.empty() && !IsFigure(word) && word.find_last_of(",;:.)") + 1 != word.size();
}

// The word behind the one that ends at `end`; empty where a line ends.
std::string_view NextWord(std::string_view text, std::size_t end) {
  if (end >= text.size() || text[end] == '\n') return {};
  const std::string_view rest = text.substr(end + 1);
  return rest.substr(0, rest.find_first_of(" \n"));
}

// Where the first word ends that no line is broken in: with the figure behind it, which it names
// ("val_rmse 0.8375"), or, of a figure, with what is counted ("9.2 MiB"), unless that names the next.
std::size_t EndOfUnit(std::string_view text) {
  std::size_t end = std::min(text.find_first_of(" \n"), text.size());
  if (end == 0) return end;
  std::string_view last = text.substr(0, end);
  if (const std::string_view next = NextWord(text, end); MayName(last) && IsFigure(next)) {
    end += 1 + next.size();
    last = next;
  }
  const std::string_view next = NextWord(text, end);
  if (!IsFigure(last) || next.empty() || IsFigure(next)) return end;
  const std::size_t behind = end + 1 + next.size();
  return MayName(next) && IsFigure(NextWord(text, behind)) ? end : behind;
}

}  // namespace

std::string Printable(std::string_view text) {
  // In bytes that are no text what happens to be a character is none either.
  const bool is_text = IsUtf8(text);
  std::string shown;
  while (!text.empty()) {
    const Character next = FirstOf(text);
    const std::size_t bytes = std::max<std::size_t>(next.bytes, 1);
    if (next.bytes == 0 || (next.bytes > 1 && !is_text)) {
      for (const char byte : text.substr(0, bytes)) {
        absl::StrAppendFormat(&shown, "\\x%02x", static_cast<unsigned char>(byte));
      }
    } else if (!IsActedUpon(next.code)) {
      shown += text.substr(0, bytes);
    } else if (next.code == '\n' || next.code == '\t' || next.code == '\r') {
      shown += next.code == '\n' ? "\\n" : next.code == '\t' ? "\\t" : "\\r";
    } else if (next.code < 0x80) {
      absl::StrAppendFormat(&shown, "\\x%02x", next.code);
    } else {
      absl::StrAppendFormat(&shown, "\\u%04x", next.code);
    }
    text.remove_prefix(bytes);
  }
  return shown;
}

std::size_t DisplayWidth(std::string_view text) {
  std::size_t width = 0;
  while (!text.empty()) {
    const Character next = FirstOf(text);
    width += next.bytes == 0 ? 1 : WidthOf(next.code);
    text.remove_prefix(std::max<std::size_t>(next.bytes, 1));
  }
  return width;
}

std::string CutToWidth(std::string_view text, std::size_t columns) {
  constexpr std::string_view kCut = "...";
  std::size_t width = 0;
  std::size_t kept = 0;  // Bytes that fit together with the dots.
  for (std::size_t at = 0; at < text.size();) {
    const Character next = FirstOf(text.substr(at));
    width += next.bytes == 0 ? 1 : WidthOf(next.code);
    at += std::max<std::size_t>(next.bytes, 1);
    if (width + kCut.size() <= columns) kept = at;
    if (width > columns) {
      std::string cut(text.substr(0, kept));
      cut.erase(cut.find_last_not_of(' ') + 1);
      return cut.append(kCut);
    }
  }
  return std::string(text);
}

std::string WrapToWidth(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string wrapped;
  std::size_t width = 0;  // Of the last line.
  bool begins = true;     // Whether it has no word yet.
  const auto new_line = [&] {
    wrapped += "\n" + std::string(indent, ' ');
    width = indent;
    begins = true;
  };
  while (!text.empty()) {
    const std::size_t end = EndOfUnit(text);
    std::string_view unit = text.substr(0, end);
    if (!begins && width + 1 + DisplayWidth(unit) > columns) new_line();
    if (!begins) {
      wrapped += ' ';
      ++width;
    }
    while (!unit.empty()) {
      const Character next = FirstOf(unit);
      const std::size_t wide = next.bytes == 0 ? 1 : WidthOf(next.code);
      if (width + wide > columns && width > indent) new_line();
      const std::size_t bytes = std::max<std::size_t>(next.bytes, 1);
      wrapped += unit.substr(0, bytes);
      width += wide;
      unit.remove_prefix(bytes);
    }
    begins = false;
    if (end < text.size() && text[end] == '\n') new_line();
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return wrapped;
}

std::string FitToWidth(std::string_view text, std::size_t columns) {
  constexpr std::size_t kIndent = 2;
  std::string fitting;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = Printable(text.substr(0, end));
    fitting += DisplayWidth(line) > columns ? WrapToWidth(line, columns, kIndent) : line;
    if (end < text.size()) fitting += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return fitting;
}

std::size_t TerminalWidth(int descriptor) {
  winsize size = {};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return std::max<std::size_t>(size.ws_col, kWidthMin);
  }
  std::uint32_t named = 0;
  // Our programs never change their environment, which is what makes reading it unsafe.
  const char* const columns = std::getenv("COLUMNS");  // NOLINT(concurrency-mt-unsafe)
  if (columns != nullptr && absl::SimpleAtoi(columns, &named) && named >= kWidthMin) return named;
  return kWidthDefault;
}

}  // namespace cf
