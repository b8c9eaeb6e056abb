#include "common/text/fold.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace cf {
namespace {

// What a code point is in a folded text: itself where it is a letter, or one of these.
constexpr std::uint32_t kSeparator = 0;
constexpr std::uint32_t kNothing = 1;

// By code point from U+00E0 on; a blank is a sign. Capitals stand 32 before them.
constexpr std::string_view kLatin1 = "aaaaaaaceeeeiiiidnooooo ouuuuyty";

// By code point from U+0100 on, capitals and small letters.
constexpr std::string_view kLatinExtendedA =
    "aaaaaa"
    "cccccccc"
    "dddd"
    "eeeeeeeeee"
    "gggggggg"
    "hhhh"
    "iiiiiiiiii"
    "ii"
    "jj"
    "kkk"
    "llllllllll"
    "nnnnnnnnn"
    "oooooooo"
    "rrrrrr"
    "ssssssss"
    "tttttt"
    "uuuuuuuuuuuu"
    "ww"
    "yyy"
    "zzzzzz"
    "s";
static_assert(kLatin1.size() == 0x20 && kLatinExtendedA.size() == 0x80);

bool Within(std::uint32_t point, std::uint32_t first, std::uint32_t last) {
  return point >= first && point <= last;
}

std::uint32_t FoldAscii(std::uint32_t point) {
  if (Within(point, 'A', 'Z')) return point - 'A' + 'a';
  if (Within(point, 'a', 'z') || Within(point, '0', '9')) return point;
  return point == '\'' ? kNothing : kSeparator;
}

std::uint32_t FoldLatin1(std::uint32_t point) {
  if (point < 0xc0) return kSeparator;
  if (point == 0xdf) return 's';  // The sharp s, in whose place below stands a y.
  const char letter = kLatin1[(point < 0xe0 ? point + 0x20 : point) - 0xe0];
  return letter == ' ' ? kSeparator : static_cast<std::uint32_t>(letter);
}

std::uint32_t Fold(std::uint32_t point) {
  if (point < 0x80) return FoldAscii(point);
  if (point < 0x100) return FoldLatin1(point);
  if (point < 0x180) return static_cast<std::uint32_t>(kLatinExtendedA[point - 0x100]);
  if (Within(point, 0x300, 0x36f)) return kNothing;      // Accents that stand by themselves.
  if (Within(point, 0x391, 0x3a9)) return point + 0x20;  // Greek capitals.
  if (Within(point, 0x400, 0x40f)) return point + 0x50;  // Cyrillic capitals, of two blocks.
  if (Within(point, 0x410, 0x42f)) return point + 0x20;
  if (point == 0x2018 || point == 0x2019) return kNothing;  // Curved apostrophes.
  if (Within(point, 0x2000, 0x206f) || Within(point, 0x3000, 0x3004) ||
      Within(point, 0x3008, 0x3020)) {
    return kSeparator;  // Punctuation, and that of East Asian texts.
  }
  return point;
}

// The code point at the beginning of `text`, which it takes off; a byte that begins none stands for
// itself, so that a text that is not UTF-8 is searched all the same.
std::uint32_t TakePoint(std::string_view& text) {
  const auto lead = static_cast<std::uint8_t>(text.front());
  const std::size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  std::uint32_t point = length == 1 ? lead : lead & (0xffU >> (length + 1));
  for (std::size_t k = 1; k < length && k < text.size(); ++k) {
    point = point << 6 | (static_cast<std::uint8_t>(text[k]) & 0x3fU);
  }
  text.remove_prefix(std::min(length, text.size()));
  return point;
}

void AppendPoint(std::uint32_t point, std::string& to) {
  if (point < 0x80) {
    to += static_cast<char>(point);
    return;
  }
  const int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
  const std::uint32_t lead = more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0;
  to += static_cast<char>(lead | point >> (6 * more));
  for (int k = more - 1; k >= 0; --k) to += static_cast<char>(0x80U | (point >> (6 * k) & 0x3fU));
}

}  // namespace

std::vector<std::string> FoldedWords(std::string_view text) {
  std::vector<std::string> words;
  bool within = false;
  while (!text.empty()) {
    const std::uint32_t point = Fold(TakePoint(text));
    if (point == kNothing) continue;
    if (point == kSeparator) {
      within = false;
      continue;
    }
    if (!within) words.emplace_back();
    within = true;
    AppendPoint(point, words.back());
  }
  return words;
}

std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t most) {
  if (a.size() > b.size() + most || b.size() > a.size() + most) return most + 1;
  // The last three rows of the table whose place (i, j) is the distance of the first i and j bytes.
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    std::size_t least = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
      least = std::min(least, row[j]);
    }
    if (least > most) return most + 1;
  }
  return row[b.size()];
}

}  // namespace cf
