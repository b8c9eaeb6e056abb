#include "launch/snapshot_recommend.h"

#include <optional>
#include <string>
#include <utility>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include "common/text/numbers.h"
#include "launch/item_table.h"
#include "launch/snapshot_commands.h"
#include "serving/pair_file.h"

namespace cf {
namespace {

// How many of a user's own ratings are shown above the recommendations.
constexpr std::size_t kFavourites = 5;

// What the user rated highest; ties by id, so the items that most people know come first.
std::string Favourites(const OpenModel& open, RowId user, const Output& output) {
  const std::span<const RowId> seen = open.catalogue().SeenBy(user);
  TopList favourites(kFavourites);
  for (const RowId item : seen) favourites.Offer(item, *open.catalogue().RatingOf(user, item));
  ItemTable table(open, output, {{.name = "rating", .right = true}});
  for (const ScoredRow& row : favourites.Take()) table.AddRow({FloatText(row.score)}, row.id);
  return absl::StrCat("User ", open.data().user_raw_id(user), " has rated ",
                      Counted(seen.size(), "item"), ", highest:\n", table.Format(), "\n");
}

const char* WhatIsListed(Mask mask) {
  switch (mask) {
    case Mask::kAll:
      return "what the user has not rated";
    case Mask::kTrain:
      return "what the user has not rated in training";
    case Mask::kNone:
      break;
  }
  return "all items";
}

std::string TableOf(const OpenModel& open, const ItemList& list, const Output& output) {
  const bool counts = list.source == Source::kPopular;
  std::vector<TextTable::Column> behind;
  if (!output.for_people()) behind.push_back({.name = "source"});
  ItemTable table(open, output,
                  {{.name = "rank", .right = true},
                   {.name = counts ? "ratings" : ScoreName(open.model()), .right = true}},
                  std::move(behind));
  std::size_t rank = 0;
  for (const ScoredRow& row : list.items) {
    const std::string score = counts
                                  ? FloatText(row.score)
                                  : ScoreText(PredictedRating(open.model().objective(), row.score));
    std::vector<std::string> source;
    if (!output.for_people())
      source.emplace_back(NameOf(open.recommender().SourceOf(list, row.id)));
    table.AddRow({absl::StrCat(++rank), score}, row.id, std::move(source));
  }
  return table.Format();
}

absl::Status RecommendToUnknown(const OpenModel& open, const RecommendFlags& flags,
                                const ListOptions& options, const absl::Status& unknown,
                                Output& output) {
  if (!flags.fallback_popular) {
    return absl::NotFoundError(
        absl::StrCat(unknown.message(), " (--fallback popular gives the most rated items)"));
  }
  const ItemList list = open.recommender().PopularItems(options);
  std::string text;
  if (output.for_people()) {
    absl::StrAppend(&text, "User ", flags.user, " is unknown; the ", list.items.size(),
                    " items that most users have rated:\n");
  }
  return output.Deliver(text + TableOf(open, list, output));
}

// What a list rests on, for people.
std::string Heading(const OpenModel& open, RowId user, const ItemList& list, Mask mask) {
  const std::uint32_t ratings = open.catalogue().UserTrainingRatings(user);
  const std::string learned =
      ratings == 0 ? absl::StrCat("User ", open.data().user_raw_id(user),
                                  " has no training sample, so the model knows nothing of them.\n")
                   : "";
  const std::string what = WhatIsListed(mask);
  if (list.items.empty()) return absl::StrCat(learned, "There is nothing left of ", what, ".\n");
  if (list.source == Source::kPopular) {
    return absl::StrCat(learned, "The ", list.items.size(), " most rated of ", what, ":\n");
  }
  return absl::StrCat("Top ", list.items.size(), " of ", what, ", by what the model learned of ",
                      Counted(ratings, "rating"), ":\n");
}

absl::Status RecommendItems(const OpenModel& open, const RecommendFlags& flags,
                            const ListOptions& options, Output& output) {
  const absl::StatusOr<RowId> user = open.lookup().User(flags.user);
  if (!user.ok()) return RecommendToUnknown(open, flags, options, user.status(), output);
  const ItemList list = open.recommender().TopItems(*user, options);
  if (list.source == Source::kNone) {
    return absl::FailedPreconditionError(
        absl::StrCat("user ", flags.user,
                     " has no training sample, so a list would rest on nothing (--fallback popular "
                     "gives the most rated items)"));
  }
  if (list.all_alike()) {
    Note("the model scores all of these alike; they are in the order of how often they are rated");
  }
  std::string text;
  if (output.for_people()) {
    text = absl::StrCat(Favourites(open, *user, output), Heading(open, *user, list, flags.mask));
    if (list.items.empty()) return output.Deliver(text);
  }
  return output.Deliver(text + TableOf(open, list, output));
}

// The list of one user whose ratings are given.
absl::Status RecommendToGiven(const OpenModel& open, const FoldIn& fold_in, const GivenUser& user,
                              const ListOptions& options, Output& output) {
  FoldInTimes times;
  const absl::StatusOr<UserRow> row = FoldInUser(open, fold_in, user, times);
  if (!row.ok()) return row.status();
  const ItemList list =
      open.recommender().TopItems(*row, user.Own(open.catalogue(), options.mask), options);
  if (!output.for_people()) return output.Deliver(TableOf(open, list, output));
  const std::size_t trained =
      user.user.has_value() ? open.catalogue().UserTrainingRatings(*user.user) : 0;
  const std::string known =
      trained > 0 ? absl::StrCat(" and ", WithThousands(trained), " of training") : "";
  if (list.items.empty()) {
    return output.Deliver(
        absl::StrCat("There is nothing left of ", WhatIsListed(options.mask), ".\n"));
  }
  return output.Deliver(absl::StrCat("Top ", list.items.size(), " of ", WhatIsListed(options.mask),
                                     ", folded in from ", Counted(user.given.size(), "rating"),
                                     known, ":\n", TableOf(open, list, output)));
}

absl::Status RecommendFromFile(const OpenModel& open, const RecommendFlags& flags,
                               const ListOptions& options, Output& output) {
  const absl::StatusOr<GivenUsers> given =
      GivenUsers::Read(flags.given, flags.records, flags.user, open);
  if (!given.ok()) return given.status();
  if (given->names_users() && flags.output.out.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.given,
                     ": names users; --user U says whose list is asked for, or --out "
                     "FILE takes the lists of all of them"));
  }
  const absl::StatusOr<FoldIn> fold_in = FoldIn::Make(open.model(), open.catalogue(), flags.pull);
  if (!fold_in.ok()) return fold_in.status();
  if (given->names_users()) return WriteGivenLists(open, *fold_in, *given, options, output);
  return RecommendToGiven(open, *fold_in, given->users().front(), options, output);
}

absl::Status RecommendUsers(const OpenModel& open, const RecommendFlags& flags, ListOptions options,
                            Output& output) {
  const absl::StatusOr<RowId> item = open.lookup().Item(flags.item);
  if (!item.ok()) return item.status();
  if (!open.substance().OfItem(*item)) {
    return absl::FailedPreconditionError(
        absl::StrCat("item ", open.data().item_raw_id(*item),
                     " has no training sample, so a list of users would rest on nothing"));
  }
  if (open.model().spec().counts_items()) {
    return absl::FailedPreconditionError(
        "the model counts ratings of items, so it has no users that an item is better for");
  }
  options.top = flags.top_users;
  std::vector<TextTable::Column> columns = {{.name = "rank", .right = true},
                                            {.name = "user", .right = true},
                                            {.name = ScoreName(open.model()), .right = true}};
  if (!output.for_people()) columns.push_back({.name = "source"});
  TextTable table(std::move(columns));
  std::size_t rank = 0;
  for (const ScoredRow& row : open.recommender().TopUsers(*item, options)) {
    std::vector<std::string> cells = {
        absl::StrCat(++rank), open.data().user_raw_id(row.id),
        ScoreText(PredictedRating(open.model().objective(), row.score))};
    if (!output.for_people()) cells.emplace_back(NameOf(Source::kModel));
    table.AddRow(std::move(cells));
  }
  std::string text;
  if (output.for_people()) {
    const char* whom = flags.mask == Mask::kAll     ? "the users who have not rated "
                       : flags.mask == Mask::kTrain ? "the users who have not rated in training "
                                                    : "all users for ";
    absl::StrAppend(&text, "Top ", rank, " of ", whom, open.lookup().NameOf(*item),
                    ", by what the model learned of ",
                    Counted(open.catalogue().ItemTrainingRatings(*item), "rating"), ":\n");
  }
  return output.Deliver(text + table.Format(output.table_format()));
}

/// What a file of --exclude or --candidates says.
absl::StatusOr<PairFile> ReadNamed(const std::string& path, const RecommendFlags& flags,
                                   const Dataset& data) {
  absl::StatusOr<PairFile> file = PairFile::Read(
      path, {.users = PairFile::Users::kOptional, .records = flags.records.options}, data);
  if (!file.ok() || file->unknown() == 0) return file;
  Note(absl::StrCat(path, ": of ",
                    Counted(file->pairs().size(), file->has_users() ? "pair" : "item"), " ",
                    WithThousands(file->unknown()), file->unknown() == 1 ? " is" : " are",
                    " of a user or an item that is not in the data set"));
  return file;
}

/// Which items lists may hold, and which users are asked for that nobody knows.
struct Choice {
  ItemChoice::Options rules;
  std::vector<std::string> unknown_users;
};

absl::StatusOr<Choice> ChoiceOf(const OpenModel& open, const RecommendFlags& flags) {
  Choice choice;
  for (const std::string& name : flags.genres) {
    absl::StatusOr<std::string> genre = FindGenre(open.data(), name);
    if (!genre.ok()) return genre.status();
    choice.rules.genres.push_back(*std::move(genre));
  }
  if (!flags.exclude.empty()) {
    const absl::StatusOr<PairFile> file = ReadNamed(flags.exclude, flags, open.data());
    if (!file.ok()) return file.status();
    choice.rules.excluded = file->Names(flags.user);
  }
  if (flags.candidates.empty()) return choice;
  const absl::StatusOr<PairFile> file = ReadNamed(flags.candidates, flags, open.data());
  if (!file.ok()) return file.status();
  choice.rules.candidates = file->Names(flags.user);
  const bool of_file = flags.user.empty() && !flags.all_users;  // Whose lists are asked for.
  if (of_file && !file->has_users()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.candidates,
                     ": names no users; --user U or --all-users says whose lists "
                     "are asked for"));
  }
  if (!flags.user.empty() && choice.rules.candidates->for_all.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.candidates, ": names no item of the data set for user ", flags.user));
  }
  if (of_file) choice.unknown_users = file->UnknownUsers();
  return choice;
}

absl::Status CheckWhatIsAskedFor(const RecommendFlags& flags) {
  if (!flags.given.empty()) return absl::OkStatus();
  const int kinds =
      (flags.user.empty() ? 0 : 1) + (flags.all_users ? 1 : 0) + (flags.item.empty() ? 0 : 1);
  if (kinds > 1 || (kinds == 0 && flags.candidates.empty())) {
    return absl::InvalidArgumentError(
        "recommend needs one of --user U, --all-users, --item I, --candidates FILE, --ratings "
        "FILE");
  }
  if (flags.user.empty() && flags.item.empty() && flags.output.out.empty()) {
    return absl::InvalidArgumentError("lists of many users need --out FILE");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Recommend(const RecommendFlags& flags) {
  if (absl::Status asked = CheckWhatIsAskedFor(flags); !asked.ok()) return asked;
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::unique_ptr<OpenModel>> opened = OpenModel::Open(flags.model);
  if (!opened.ok()) return opened.status();
  const OpenModel& open = **opened;
  absl::StatusOr<Choice> chosen = ChoiceOf(open, flags);
  if (!chosen.ok()) return chosen.status();
  const ItemChoice choice(open.data(), std::move(chosen->rules));
  const ListOptions options = {.top = flags.top,
                               .min_ratings = flags.min_ratings,
                               .mask = flags.mask,
                               .choice = &choice,
                               .fallback_popular = flags.fallback_popular,
                               .diversity = flags.diversity};
  if (!flags.given.empty()) return RecommendFromFile(open, flags, options, *output);
  if (!flags.item.empty()) return RecommendUsers(open, flags, options, *output);
  if (!flags.user.empty()) return RecommendItems(open, flags, options, *output);
  return WriteLists(open, flags, options, chosen->unknown_users, *output);
}

}  // namespace cf
