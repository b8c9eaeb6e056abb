#include "common/config/bare_monitor.h"

#include <cstddef>
#include <vector>

#include <absl/strings/ascii.h>

namespace cf {
namespace {

constexpr char kField[] = "monitor";
constexpr std::size_t kFieldLength = sizeof kField - 1;

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

struct Word {
  std::size_t first = 0;
  std::size_t last = 0;  ///< One past its end.
};

std::size_t SkipSpace(const std::string& text, std::size_t k) {
  while (k < text.size() && absl::ascii_isspace(static_cast<unsigned char>(text[k]))) ++k;
  return k;
}

/// The end of the string or comment that begins at `k`.
std::size_t SkipQuoted(const std::string& text, std::size_t k) {
  const char end = text[k] == '#' ? '\n' : text[k];
  for (++k; k < text.size() && text[k] != end && text[k] != '\n'; ++k) {
    if (text[k] == '\\' && end != '\n') ++k;
  }
  return k < text.size() ? k + 1 : text.size();
}

/// The words that stand for the value of a field `monitor`.
std::vector<Word> BareMonitors(const std::string& text) {
  std::vector<Word> words;
  std::size_t k = 0;
  while (k < text.size()) {
    if (text[k] == '"' || text[k] == '\'' || text[k] == '#') {
      k = SkipQuoted(text, k);
      continue;
    }
    if (!IsWordCharacter(text[k])) {
      ++k;
      continue;
    }
    const std::size_t first = k;
    while (k < text.size() && IsWordCharacter(text[k])) ++k;
    if (text.compare(first, k - first, kField, kFieldLength) != 0) continue;
    std::size_t value = SkipSpace(text, k);
    if (value == text.size() || text[value] != ':') continue;
    value = SkipSpace(text, value + 1);
    k = value;
    while (k < text.size() && IsWordCharacter(text[k])) ++k;
    if (k > value && !absl::ascii_isdigit(static_cast<unsigned char>(text[value]))) {
      words.push_back({value, k});
    }
  }
  return words;
}

}  // namespace

std::string QuoteBareMonitor(const std::string& text) {
  std::string quoted;
  std::size_t taken = 0;
  for (const Word& word : BareMonitors(text)) {
    quoted.append(text, taken, word.first - taken);
    quoted.append("\"").append(text, word.first, word.last - word.first).append("\"");
    taken = word.last;
  }
  return quoted.append(text, taken);
}

int ColumnBeforeQuotes(const std::string& text, int line, int column) {
  std::size_t start = 0;
  for (int k = 0; k < line; ++k) {
    const std::size_t end = text.find('\n', start);
    if (end == std::string::npos) return column;
    start = end + 1;
  }
  int quotes = 0;
  for (const Word& word : BareMonitors(text)) {
    const std::size_t end = text.find('\n', start);
    if (word.first < start || word.first >= end) continue;
    // A quote stands before and after the word.
    if (static_cast<std::size_t>(column) > word.first - start + static_cast<std::size_t>(quotes)) {
      ++quotes;
    }
    if (static_cast<std::size_t>(column) > word.last - start + static_cast<std::size_t>(quotes)) {
      ++quotes;
    }
  }
  return column - quotes;
}

}  // namespace cf
