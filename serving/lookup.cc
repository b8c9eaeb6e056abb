#include "serving/lookup.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string_view>

#include <absl/status/status.h>
#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include "serving/title_search.h"

namespace cf {
namespace {

// How many near misses an error offers.
constexpr std::size_t kOffered = 3;

// A raw id without what programs change in it: case, blanks, leading zeros, and the ".0" of a
// number that was a float on its way.
std::string Bare(const std::string& raw) {
  std::string bare = absl::AsciiStrToLower(raw);
  absl::StripAsciiWhitespace(&bare);
  std::string_view rest = bare;
  while (rest.size() > 1 && rest.front() == '0' && rest[1] != '.') rest.remove_prefix(1);
  if (rest.ends_with(".0")) rest.remove_suffix(2);
  return std::string(rest);
}

template <class RawIdOf>
std::vector<std::string> WrittenAlike(const std::string& raw, std::uint32_t rows,
                                      RawIdOf raw_id_of) {
  const std::string bare = Bare(raw);
  std::vector<std::string> alike;
  for (std::uint32_t k = 0; k < rows && alike.size() < kOffered; ++k) {
    std::string other = raw_id_of(RowId{k});
    if (Bare(other) == bare) alike.push_back(std::move(other));
  }
  return alike;
}

std::vector<std::string> GenresOf(const Dataset& data, RowId item) {
  return absl::StrSplit(data.genres(item), '|', absl::SkipEmpty());
}

std::string Offer(const std::vector<std::string>& names) {
  return names.empty() ? "" : absl::StrCat("; near to it: ", absl::StrJoin(names, ", "));
}

}  // namespace

absl::StatusOr<RowId> Lookup::User(const std::string& raw) const {
  const Dataset& data = catalogue_->data();
  if (const std::optional<RowId> user = data.FindUser(raw)) return *user;
  const std::vector<std::string> alike =
      WrittenAlike(raw, data.users(), [&](RowId user) { return data.user_raw_id(user); });
  return absl::NotFoundError(
      absl::StrCat("no user ", raw, " in the data set ", data.name(), Offer(alike)));
}

absl::Status Lookup::NoItem(const std::string& name) const {
  const Dataset& data = catalogue_->data();
  for (std::uint32_t k = 0; k < data.unrated_items(); ++k) {
    if (data.unrated_raw_id(k) != name && !absl::EqualsIgnoreCase(data.unrated_title(k), name)) {
      continue;
    }
    return absl::NotFoundError(absl::StrCat("item ", data.unrated_raw_id(k), ", \"",
                                            data.unrated_title(k), "\", has no rating in the data ",
                                            "set ", data.name(),
                                            ", so the model knows nothing of it"));
  }
  std::vector<std::string> near =
      WrittenAlike(name, data.items(), [&](RowId item) { return data.item_raw_id(item); });
  if (data.has_titles() || data.items_keyed_by_title()) {
    for (const RowId item : TitleSearch(*catalogue_).Near(name, kOffered)) {
      if (near.size() >= kOffered) break;
      near.push_back(absl::StrCat(
          "\"", NameOf(item), "\"",
          data.items_keyed_by_title() ? "" : absl::StrCat(" (item ", data.item_raw_id(item), ")")));
    }
  }
  const char* what = data.has_titles() ? "no item has the raw id or title \"" : "no item \"";
  return absl::NotFoundError(
      absl::StrCat(what, name, "\" in the data set ", data.name(), Offer(near)));
}

absl::StatusOr<std::vector<RowId>> Lookup::Items(const std::string& name) const {
  if (const std::optional<RowId> item = catalogue_->data().FindItem(name)) {
    return std::vector<RowId>{*item};
  }
  std::vector<RowId> items = TitleSearch(*catalogue_).WithTitle(name);
  if (items.empty()) return NoItem(name);
  return items;
}

absl::StatusOr<RowId> Lookup::Item(const std::string& name) const {
  const absl::StatusOr<std::vector<RowId>> items = Items(name);
  if (!items.ok()) return items.status();
  if (items->size() == 1) return items->front();
  const auto append = [&](std::string* to, RowId item) {
    absl::StrAppend(to, catalogue_->data().item_raw_id(item));
  };
  const std::span<const RowId> shown =
      std::span(*items).first(std::min<std::size_t>(items->size(), 10));
  return absl::InvalidArgumentError(absl::StrCat(items->size(), " items have the title \"", name,
                                                 "\": name one of the items ",
                                                 absl::StrJoin(shown, ", ", append)));
}

std::string Lookup::NameOf(RowId item) const {
  const std::string title = catalogue_->data().title(item);
  return title.empty() ? catalogue_->data().item_raw_id(item) : title;
}

absl::StatusOr<std::string> FindGenre(const Dataset& data, const std::string& name) {
  std::set<std::string> genres;
  for (std::uint32_t k = 0; k < data.items(); ++k) {
    for (const std::string& genre : GenresOf(data, RowId{k})) genres.insert(genre);
  }
  if (genres.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the data set ", data.name(), " has no genres"));
  }
  if (genres.contains(name)) return name;
  for (const std::string& genre : genres) {
    if (absl::EqualsIgnoreCase(genre, name)) return genre;
  }
  return absl::NotFoundError(
      absl::StrCat("no genre \"", name, "\": there are ", absl::StrJoin(genres, ", ")));
}

bool HasGenre(const Dataset& data, RowId item, std::string_view genre) {
  const std::vector<std::string> genres = GenresOf(data, item);
  return std::find(genres.begin(), genres.end(), genre) != genres.end();
}

}  // namespace cf
