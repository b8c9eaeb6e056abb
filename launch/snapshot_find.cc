#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/ascii.h>
#include <absl/strings/str_cat.h>

#include "common/math/random.h"
#include "common/text/numbers.h"
#include "launch/item_table.h"
#include "launch/snapshot_commands.h"
#include "serving/title_search.h"

namespace cf {
namespace {

// As many of `found` as are shown: the first, or drawn ones in the order of `found`.
std::vector<RowId> Shown(std::vector<RowId> found, const FindFlags& flags) {
  if (found.size() <= flags.top) return found;
  if (flags.random) {
    std::vector<std::uint32_t> places(found.size());
    for (std::uint32_t k = 0; k < places.size(); ++k) places[k] = k;
    Shuffle(places, flags.seed, 0, 0);
    places.resize(flags.top);
    std::sort(places.begin(), places.end());
    std::vector<RowId> drawn;
    for (const std::uint32_t place : places) drawn.push_back(found[place]);
    return drawn;
  }
  found.resize(flags.top);
  return found;
}

std::string Heading(std::size_t shown, std::size_t found, const char* what,
                    const FindFlags& flags) {
  if (shown == found) return absl::StrCat(Counted(found, what), ":\n");
  return absl::StrCat(WithThousands(shown), " of ", Counted(found, what),
                      flags.random ? absl::StrCat(", drawn with seed ", flags.seed) : "", ":\n");
}

// Items without a rating have a title, but no row.
void TellUnrated(const OpenModel& open, const std::string& text) {
  constexpr std::size_t kTold = 3;
  const std::vector<std::uint32_t> unrated = TitleSearch(open.catalogue()).UnratedContaining(text);
  if (unrated.empty()) return;
  std::string titles;
  for (std::size_t k = 0; k < std::min(kTold, unrated.size()); ++k) {
    absl::StrAppend(&titles, titles.empty() ? "" : ", ", open.data().unrated_title(unrated[k]));
  }
  Note(absl::StrCat("without a rating, so that the model knows nothing of them: ", titles,
                    unrated.size() > kTold ? ", and more" : ""));
}

absl::Status FindItems(const OpenModel& open, const FindFlags& flags, Output& output) {
  ItemChoice::Options rules;
  for (const std::string& name : flags.genres) {
    absl::StatusOr<std::string> genre = FindGenre(open.data(), name);
    if (!genre.ok()) return genre.status();
    rules.genres.push_back(*std::move(genre));
  }
  const ItemChoice choice(open.data(), std::move(rules));
  std::vector<RowId> found;
  const std::optional<RowId> named = open.data().FindItem(flags.text);
  if (named.has_value() && choice.Allows(*named)) found.push_back(*named);
  for (const RowId item : TitleSearch(open.catalogue()).Containing(flags.text)) {
    if (choice.Allows(item) && item != named) found.push_back(item);
  }
  // The error has the near misses.
  if (found.empty() && !flags.text.empty()) {
    const absl::Status none = open.lookup().Items(flags.text).status();
    if (!none.ok()) return none;
  }
  if (!flags.text.empty()) TellUnrated(open, flags.text);
  const std::vector<RowId> shown = Shown(found, flags);
  ItemTable table(open, output, {}, {{.name = "training ratings", .right = true}});
  for (const RowId item : shown) {
    table.AddRow({}, item, {absl::StrCat(open.catalogue().ItemTrainingRatings(item))});
  }
  const std::string heading =
      output.for_people() ? Heading(shown.size(), found.size(), "item", flags) : "";
  return output.Deliver(heading + table.Format());
}

absl::Status FindUsers(const OpenModel& open, const FindFlags& flags, Output& output) {
  const std::string part = absl::AsciiStrToLower(flags.text);
  std::vector<RowId> found;
  const std::optional<RowId> named = open.data().FindUser(flags.text);
  if (named.has_value()) found.push_back(*named);
  for (std::uint32_t k = 0; k < open.data().users(); ++k) {
    if (RowId{k} == named) continue;
    const std::string raw = absl::AsciiStrToLower(open.data().user_raw_id(RowId{k}));
    if (raw.find(part) != std::string::npos) {
      found.push_back(RowId{k});
    }
  }
  if (found.empty()) return open.lookup().User(flags.text).status();
  const std::vector<RowId> shown = Shown(found, flags);
  TextTable table({{.name = "user", .right = true},
                   {.name = "ratings", .right = true},
                   {.name = "training ratings", .right = true}});
  for (const RowId user : shown) {
    table.AddRow({open.data().user_raw_id(user), absl::StrCat(open.catalogue().SeenBy(user).size()),
                  absl::StrCat(open.catalogue().UserTrainingRatings(user))});
  }
  const std::string heading =
      output.for_people() ? Heading(shown.size(), found.size(), "user", flags) : "";
  return output.Deliver(heading + table.Format(output.table_format()));
}

}  // namespace

absl::Status Find(const FindFlags& flags) {
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(flags.model);
  if (!open.ok()) return open.status();
  return flags.users ? FindUsers(**open, flags, *output) : FindItems(**open, flags, *output);
}

}  // namespace cf
