#include "serving/title_search.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/str_join.h>

#include "common/text/fold.h"

namespace cf {
namespace {

// The title in lower case without its brackets, but for the last: "m*a*s*h (1970)".
std::string PlainTitle(const std::string& title) {
  const std::size_t year = title.rfind('(');
  std::string plain;
  std::size_t depth = 0;
  for (std::size_t k = 0; k < title.size(); ++k) {
    if (k == year) depth = 0;
    if (title[k] == '(' && k < year) ++depth;
    if (depth == 0 && !(title[k] == ' ' && !plain.empty() && plain.back() == ' ')) {
      plain += absl::ascii_tolower(static_cast<unsigned char>(title[k]));
    }
    if (title[k] == ')' && depth > 0) --depth;
  }
  return plain;
}

// How well the words of a title hold those of a text.
enum class Held : std::uint8_t {
  kBegins,  // The title begins with the text.
  kWords,   // Each of the text's words is the beginning of one of the title's,
  kWithin,  // or stands somewhere within one.
  kNot,
};

Held HeldBy(const std::vector<std::string>& title, const std::vector<std::string>& text) {
  Held held = Held::kBegins;
  for (const std::string& word : text) {
    const auto at_beginning = [&](const std::string& in) { return in.starts_with(word); };
    const auto within = [&](const std::string& in) { return in.find(word) != std::string::npos; };
    if (std::any_of(title.begin(), title.end(), at_beginning)) continue;
    if (!std::any_of(title.begin(), title.end(), within)) return Held::kNot;
    held = Held::kWithin;
  }
  const bool begins = absl::StrJoin(title, " ").starts_with(absl::StrJoin(text, " "));
  return held == Held::kBegins && !begins ? Held::kWords : held;
}

bool IsYear(const std::string& word) {
  return word.size() == 4 && (word.starts_with("19") || word.starts_with("20")) &&
         absl::ascii_isdigit(static_cast<unsigned char>(word[2])) &&
         absl::ascii_isdigit(static_cast<unsigned char>(word[3]));
}

// The letters of a title without its year and article, which people leave out or put in front.
std::string Letters(std::vector<std::string> words) {
  if (words.size() > 1 && IsYear(words.back())) words.pop_back();
  const auto is_article = [](const std::string& word) {
    return word == "the" || word == "a" || word == "an";
  };
  if (words.size() > 1 && is_article(words.back())) words.pop_back();
  if (words.size() > 1 && is_article(words.front())) words.erase(words.begin());
  return absl::StrJoin(words, "");
}

}  // namespace

std::string TitleSearch::TextOf(RowId item) const {
  const Dataset& data = catalogue_->data();
  std::string title = data.title(item);
  return title.empty() ? data.item_raw_id(item) : title;
}

// By rank, then by how often an item is rated.
void TitleSearch::SortByRank(std::vector<std::pair<std::size_t, RowId>>& ranked) const {
  std::sort(ranked.begin(), ranked.end(), [&](const auto& a, const auto& b) {
    if (a.first != b.first) return a.first < b.first;
    const std::uint32_t ratings_a = catalogue_->ItemTrainingRatings(a.second);
    const std::uint32_t ratings_b = catalogue_->ItemTrainingRatings(b.second);
    return ratings_a != ratings_b ? ratings_a > ratings_b : a.second < b.second;
  });
}

std::vector<RowId> TitleSearch::WithTitle(const std::string& title) const {
  const Dataset& data = catalogue_->data();
  std::vector<RowId> items = data.FindTitle(title);
  if (!items.empty()) return items;
  const std::string plain = PlainTitle(title);
  if (plain.empty()) return items;
  for (std::uint32_t k = 0; k < data.items(); ++k) {
    if (PlainTitle(data.title(RowId{k})) == plain) items.push_back(RowId{k});
  }
  return items;
}

std::vector<RowId> TitleSearch::Containing(std::string_view text) const {
  const std::vector<std::string> words = FoldedWords(text);
  std::vector<std::pair<std::size_t, RowId>> found;
  for (std::uint32_t k = 0; k < catalogue_->data().items(); ++k) {
    const Held held = HeldBy(FoldedWords(TextOf(RowId{k})), words);
    if (held != Held::kNot) found.emplace_back(static_cast<std::size_t>(held), RowId{k});
  }
  SortByRank(found);
  std::vector<RowId> items;
  for (const auto& [rank, item] : found) items.push_back(item);
  return items;
}

std::vector<std::uint32_t> TitleSearch::UnratedContaining(std::string_view text) const {
  const std::vector<std::string> words = FoldedWords(text);
  std::vector<std::uint32_t> found;
  for (std::uint32_t k = 0; k < catalogue_->data().unrated_items(); ++k) {
    if (HeldBy(FoldedWords(catalogue_->data().unrated_title(k)), words) != Held::kNot) {
      found.push_back(k);
    }
  }
  return found;
}

std::vector<RowId> TitleSearch::Near(std::string_view text, std::size_t count) const {
  const std::vector<std::string> words = FoldedWords(text);
  const std::string letters = Letters(words);
  if (letters.empty()) return {};
  // One letter in five may be wrong.
  const std::size_t most = 1 + letters.size() / 5;
  std::vector<std::pair<std::size_t, RowId>> found;
  for (std::uint32_t k = 0; k < catalogue_->data().items(); ++k) {
    std::vector<std::string> title = FoldedWords(TextOf(RowId{k}));
    const bool holds = HeldBy(title, words) <= Held::kWords;
    const std::size_t distance = EditDistance(letters, Letters(std::move(title)), most);
    if (distance == 0) {
      found.emplace_back(0, RowId{k});
    } else if (holds) {
      found.emplace_back(1, RowId{k});
    } else if (distance <= most && distance < letters.size()) {
      found.emplace_back(1 + distance, RowId{k});
    }
  }
  SortByRank(found);
  std::vector<RowId> items;
  for (const auto& [rank, item] : found) {
    if (items.size() < count) items.push_back(item);
  }
  return items;
}

}  // namespace cf
