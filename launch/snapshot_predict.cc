#include <algorithm>
#include <optional>
#include <string_view>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/text/csv.h"
#include "common/text/numbers.h"
#include "launch/item_table.h"
#include "launch/snapshot_commands.h"
#include "serving/pair_predictor.h"

namespace cf {
namespace {

/// A pair as the user wrote it.
struct RawPair {
  std::string user;
  std::string item;
  std::string rating;  ///< Empty if not given.
};

bool IsHeader(const std::vector<std::string>& fields) {
  const std::string name = absl::AsciiStrToLower(fields.front());
  return name == "user" || name == "userid" || name == "user_id";
}

absl::StatusOr<std::vector<RawPair>> ReadPairs(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  std::vector<RawPair> pairs;
  std::string_view rest = *text;
  if (rest.substr(0, 3) == "\xef\xbb\xbf") rest.remove_prefix(3);  // A byte order mark.
  for (std::size_t number = 1; !rest.empty(); ++number) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty()) continue;
    const std::string place = absl::StrCat(path, ":", number);
    absl::StatusOr<std::vector<std::string>> fields = ParseCsvLine(line);
    if (!fields.ok()) return Because(fields.status(), place);
    if (number == 1 && IsHeader(*fields)) continue;
    if (fields->size() < 2) {
      return absl::InvalidArgumentError(absl::StrCat(place, ": expected user,item[,rating]"));
    }
    RawPair pair = {.user = (*fields)[0], .item = (*fields)[1], .rating = ""};
    if (fields->size() > 2) pair.rating = (*fields)[2];
    float rating = 0;
    if (!pair.rating.empty() && !absl::SimpleAtof(pair.rating, &rating)) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": the rating \"", pair.rating, "\" is not a number"));
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

/// Which pairs a model could not be asked for, for standard error.
struct Unanswered {
  std::uint64_t unknown = 0;    // A side is not in the data set.
  std::uint64_t untrained = 0;  // Both are, and one has no training sample.

  void Add(std::optional<RowId> user, std::optional<RowId> item) {
    ++(user.has_value() && item.has_value() ? untrained : unknown);
  }

  void Tell(std::uint64_t pairs, bool fallback) const {
    if (unknown + untrained == 0) return;
    std::string text = absl::StrCat("of ", Counted(pairs, "pair"), " ");
    if (unknown > 0) {
      absl::StrAppend(&text, WithThousands(unknown), unknown == 1 ? " has" : " have",
                      " a user or an item that is not in the data set");
    }
    if (untrained > 0) {
      absl::StrAppend(&text, unknown > 0 ? ", " : "", WithThousands(untrained),
                      untrained == 1 ? " has" : " have", " one without a training sample");
    }
    Note(absl::StrCat(text, fallback ? ": means stand in" : " (--fallback popular)"));
  }
};

absl::Status PredictPairs(const OpenModel& open, const PredictFlags& flags, Output& output) {
  const absl::StatusOr<std::vector<RawPair>> pairs = ReadPairs(flags.pairs);
  if (!pairs.ok()) return pairs.status();
  TextTable table({{.name = "user"},
                   {.name = "item"},
                   {.name = ScoreName(open.model()), .right = true},
                   {.name = "actual", .right = true},
                   {.name = "source"}});
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), flags.fallback_popular);
  Unanswered unanswered;
  for (const RawPair& pair : *pairs) {
    const std::optional<RowId> user = open.data().FindUser(pair.user);
    const std::optional<RowId> item = open.data().FindItem(pair.item);
    const Prediction predicted = predictor.Predict(user, item);
    std::string actual = pair.rating;
    if (actual.empty() && user && item) {
      const std::optional<float> rating = open.catalogue().RatingOf(*user, *item);
      if (rating) actual = FloatText(*rating);
    }
    if (predicted.source != open.substance().lists()) unanswered.Add(user, item);
    table.AddRow({pair.user, pair.item,
                  predicted.source == Source::kNone ? "" : FloatText(predicted.value), actual,
                  NameOf(predicted.source)});
  }
  unanswered.Tell(pairs->size(), flags.fallback_popular);
  return output.Deliver(table.Format(output.table_format()));
}

absl::Status PredictTitles(const OpenModel& open, const PredictFlags& flags, Output& output) {
  const absl::StatusOr<RowId> found = open.lookup().User(flags.user);
  if (!found.ok() && !flags.fallback_popular) return found.status();
  const std::optional<RowId> user = found.ok() ? std::optional(*found) : std::nullopt;
  ItemTable table(
      open, output,
      {{.name = ScoreName(open.model()), .right = true}, {.name = "actual", .right = true}},
      {{.name = "source"}});
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), flags.fallback_popular);
  Unanswered unanswered;
  std::uint64_t pairs = 0;
  for (const std::string& title : flags.titles) {
    const absl::StatusOr<std::vector<RowId>> items = open.lookup().Items(title);
    if (!items.ok()) return items.status();
    for (const RowId item : *items) {
      ++pairs;
      const std::optional<float> rating =
          user.has_value() ? open.catalogue().RatingOf(*user, item) : std::nullopt;
      const Prediction predicted = predictor.Predict(user, item);
      if (predicted.source != open.substance().lists()) unanswered.Add(user, item);
      table.AddRow({predicted.source == Source::kNone ? "-" : ScoreText(predicted.value),
                    rating ? FloatText(*rating) : "-"},
                   item, {NameOf(predicted.source)});
    }
  }
  unanswered.Tell(pairs, flags.fallback_popular);
  return output.Deliver(table.Format());
}

}  // namespace

absl::Status Predict(const PredictFlags& flags) {
  if (flags.pairs.empty() == flags.user.empty()) {
    return absl::InvalidArgumentError("predict needs either --pairs FILE or --user U --titles ...");
  }
  if (flags.titles.empty() != flags.user.empty()) {
    return absl::InvalidArgumentError("--user and --titles go together");
  }
  absl::StatusOr<Output> output = Output::Open(flags.output);
  if (!output.ok()) return output.status();
  const absl::StatusOr<std::unique_ptr<OpenModel>> open = OpenModel::Open(flags.model);
  if (!open.ok()) return open.status();
  if (flags.fallback_popular && !(*open)->model().spec().predicts_ratings()) {
    return absl::FailedPreconditionError(
        "--fallback: the model predicts no ratings, so means of ratings do not stand in for them");
  }
  return flags.pairs.empty() ? PredictTitles(**open, flags, *output)
                             : PredictPairs(**open, flags, *output);
}

}  // namespace cf
