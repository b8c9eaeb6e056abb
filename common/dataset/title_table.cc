#include "common/dataset/title_table.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <tuple>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>

#include "common/base/files.h"
#include "common/dataset/column_names.h"
#include "common/dataset/text.h"
#include "common/dataset/vocabulary.h"

namespace cf {
namespace {

constexpr std::array<std::string_view, 7> kTitleNames = {
    "title", "movietitle", "booktitle", "itemname", "name", "trackname", "productname"};
constexpr std::array<std::string_view, 4> kGenreNames = {"genres", "genre", "categories",
                                                         "category"};

}  // namespace

std::span<const std::string_view> TitleNames() {
  return kTitleNames;
}

std::span<const std::string_view> GenreNames() {
  return kGenreNames;
}

bool IsNameOfId(const std::string& name) {
  const std::string normalized = NormalizedName(name);
  const std::span<const std::string_view> items = UsualNames(Role::kItem);
  return std::find(items.begin(), items.end(), normalized) != items.end() ||
         normalized.ends_with("id") || normalized.starts_with("isbn") ||
         normalized.starts_with("sku");
}

absl::StatusOr<std::vector<std::string>> ReadGenreFlags(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<std::string> names;
  std::size_t number = 0;
  for (const absl::string_view part : absl::StrSplit(*text, '\n')) {
    ++number;
    const std::string_view line = WithoutEndOfLine({part.data(), part.size()});
    if (line.empty()) continue;
    const std::size_t bar = line.find('|');
    if (bar == std::string_view::npos ||
        NumberOf(line.substr(bar + 1)) != static_cast<std::int64_t>(names.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ":", number, ": ", Quoted(line), ", expected NAME|", names.size()));
    }
    names.emplace_back(line.substr(0, bar));
  }
  return names;
}

std::size_t UsualFields(const RecordTable& table) {
  std::map<std::size_t, std::size_t> counts;
  for (const auto& row : table.rows) ++counts[row.size()];
  return std::max_element(counts.begin(), counts.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

RecordTable ReadTitleTable(std::string_view text, const std::string& separator) {
  std::optional<RecordTable> best;
  std::tuple<bool, bool, std::size_t> best_score;
  for (const std::string& candidate : KnownSeparators()) {
    if (candidate == kBlanks || (!separator.empty() && candidate != separator)) continue;
    RecordTable table = ReadTable(text, true, {.separator = candidate, .quotes = candidate != "::"},
                                  kTitleRowsLookedAt);
    const bool named = !table.rows.empty() && PlaceOf(table.rows.front(), kTitleNames) >= 0;
    const std::tuple score(named, table.fields() > 1 && table.consistent(), table.fields());
    if (best.has_value() && score <= best_score) continue;
    best = std::move(table);
    best_score = score;
  }
  if (best.has_value()) return *std::move(best);
  return ReadTable(text, true, {.separator = separator}, kTitleRowsLookedAt);
}

bool LooksLikeGenreFlags(std::string_view text) {
  const std::string_view line = text.substr(0, text.find('\n'));
  const std::size_t bar = line.find('|');
  return bar != std::string_view::npos && NumberOf(line.substr(0, bar)).has_value();
}

}  // namespace cf
