#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/text/numbers.h"
#include "launch/given_users.h"
#include "launch/item_table.h"
#include "launch/snapshot_commands.h"
#include "serving/pair_figures.h"
#include "serving/pair_file.h"
#include "serving/pair_predictor.h"

namespace cf {
namespace {

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

/// The place of number `k` of `wanted` that are spread over `all`.
std::uint64_t PlaceOf(std::uint64_t k, std::uint64_t wanted, std::uint64_t all) {
  return all / wanted * k + all % wanted * k / wanted;
}

/// What is asked for: raw ids as they were written, and the ratings that are known.
absl::StatusOr<std::vector<NamedPair>> PairsOf(const OpenModel& open, const PredictFlags& flags) {
  if (flags.split.empty()) {
    absl::StatusOr<PairFile> file = PairFile::Read(
        flags.pairs,
        {.records = flags.records.options, .titles = nullptr, .known_users = flags.given.empty()},
        open.data());
    if (!file.ok()) return file.status();
    return file->pairs();
  }
  const bool validation = flags.split == "val";
  const Catalogue& catalogue = open.catalogue();
  const std::uint64_t samples =
      validation ? catalogue.validation_samples() : catalogue.training_samples();
  if (samples == 0) {
    return absl::FailedPreconditionError(
        "the model was trained without a split, so there are no validation samples");
  }
  // Spread evenly over all of them: they are in the order of users.
  const std::uint64_t wanted = flags.limit == 0 ? samples : std::min(flags.limit, samples);
  std::vector<NamedPair> pairs;
  std::uint64_t number = 0;
  for (std::uint32_t user = 0; user < open.data().users(); ++user) {
    const Catalogue::Samples own = catalogue.SamplesOf(RowId{user});
    for (std::uint64_t s = own.first; s < own.last; ++s) {
      if (catalogue.IsValidation(s) != validation) continue;
      if (pairs.size() == wanted || number++ != PlaceOf(pairs.size(), wanted, samples)) continue;
      const RowId item = open.data().item_column()[s];
      // An export that is damaged may name any.
      if (Index(item) >= open.data().items()) continue;
      pairs.push_back({.raw_user = open.data().user_raw_id(RowId{user}),
                       .raw_item = open.data().item_raw_id(item),
                       .user = RowId{user},
                       .item = item,
                       .rating = open.data().ratings()[s]});
    }
  }
  return pairs;
}

/// Users whose ratings are given, as the model makes them of these, and how far it is off for them.
///
/// Owner:   PredictPairs; the model outlives it.
/// Threads: one, which has called SetFloatMode().
/// Bounds:  a row for each user.
class FoldedUsers {
 public:
  static absl::StatusOr<FoldedUsers> Make(const OpenModel& open, const PredictFlags& flags) {
    FoldedUsers folded(open);
    if (flags.given.empty()) return folded;
    const absl::StatusOr<GivenUsers> given = GivenUsers::Read(flags.given, flags.records, "", open);
    if (!given.ok()) return given.status();
    if (!given->names_users()) {
      return absl::InvalidArgumentError(
          absl::StrCat(flags.given, ": names no users, and --pairs asks about some"));
    }
    const absl::StatusOr<FoldIn> fold_in = FoldIn::Make(open.model(), open.catalogue(), flags.pull);
    if (!fold_in.ok()) return fold_in.status();
    FoldInTimes times;
    for (const GivenUser& user : given->users()) {
      absl::StatusOr<UserRow> row = FoldInUser(open, *fold_in, user, times);
      if (!row.ok()) return row.status();
      folded.rows_.emplace(user.raw_user, *std::move(row));
    }
    Note(times.Summary());
    return folded;
  }

  /// Nothing: the user is not one of these, or the model has learned nothing of the item.
  std::optional<Prediction> Predict(const NamedPair& pair) {
    const auto user = rows_.find(pair.raw_user);
    if (user == rows_.end() || !pair.item.has_value() || !open_.substance().OfItem(*pair.item)) {
      return std::nullopt;
    }
    float raw = 0;
    open_.model().ScoreItems(user->second, *pair.item, workspace_, std::span(&raw, 1));
    const float value = PredictedRating(open_.model().objective(), raw);
    if (pair.rating.has_value()) Observe(open_.model().objective(), raw, *pair.rating, errors_);
    return Prediction{.source = Source::kFoldIn, .value = value};
  }

  /// The errors of what was predicted, as a line.
  std::string ErrorsText() const {
    if (errors_.samples == 0 || !open_.model().spec().predicts_ratings()) return "";
    const auto samples = static_cast<double>(errors_.samples);
    return absl::StrFormat("rmse %.4f mae %.4f of %s of users folded in, with a rating",
                           std::sqrt(errors_.squared_error / samples),
                           errors_.absolute_error / samples, Counted(errors_.samples, "pair"));
  }

 private:
  explicit FoldedUsers(const OpenModel& open)
      : open_(open), workspace_(open.model().MakeWorkspace()) {}

  const OpenModel& open_;
  ServedModel::Workspace workspace_;
  std::unordered_map<std::string, UserRow> rows_;
  ObjectiveSums errors_;
};

/// The errors of what the model itself predicted, as a line.
std::string ErrorsText(const OpenModel& open, std::vector<RatedPair> rated) {
  const std::uint64_t count = rated.size();
  if (count == 0 || !open.model().spec().predicts_ratings()) return "";
  const Figures errors =
      ErrorsOf(open.model(), open.manifest().partitions(), "test_", std::move(rated));
  return absl::StrFormat("rmse %.4f mae %.4f of %s with a rating", *errors.Find("test_rmse"),
                         *errors.Find("test_mae"), Counted(count, "pair"));
}

absl::Status PredictPairs(const OpenModel& open, const PredictFlags& flags, Output& output) {
  const absl::StatusOr<std::vector<NamedPair>> pairs = PairsOf(open, flags);
  if (!pairs.ok()) return pairs.status();
  absl::StatusOr<FoldedUsers> folded = FoldedUsers::Make(open, flags);
  if (!folded.ok()) return folded.status();
  TextTable table({{.name = "user"},
                   {.name = "item"},
                   {.name = ScoreName(open.model()), .right = true},
                   {.name = "actual", .right = true},
                   {.name = "source"}});
  PairPredictor predictor(open.model(), open.catalogue(), open.substance(), flags.fallback_popular);
  Unanswered unanswered;
  std::vector<RatedPair> rated;
  for (const NamedPair& pair : *pairs) {
    const std::optional<Prediction> by_given = folded->Predict(pair);
    const Prediction predicted =
        by_given.has_value() ? *by_given : predictor.Predict(pair.user, pair.item);
    const bool by_model = !by_given.has_value() && predicted.source == open.substance().lists();
    std::optional<float> actual = pair.rating;
    if (!actual && pair.known()) actual = open.catalogue().RatingOf(*pair.user, *pair.item);
    if (!by_model && !by_given.has_value()) unanswered.Add(pair.user, pair.item);
    if (by_model && actual) {
      rated.push_back({.pair = {.user = *pair.user, .item = *pair.item}, .rating = *actual});
    }
    table.AddRow({pair.raw_user, pair.raw_item,
                  predicted.source == Source::kNone ? "" : FloatText(predicted.value),
                  actual ? FloatText(*actual) : "", NameOf(predicted.source)});
  }
  unanswered.Tell(pairs->size(), flags.fallback_popular);
  std::string text = table.Format(output.table_format());
  for (const std::string& errors : {ErrorsText(open, std::move(rated)), folded->ErrorsText()}) {
    if (!errors.empty() && output.for_people()) absl::StrAppend(&text, errors, "\n");
    if (!errors.empty() && !output.for_people()) Note(errors);
  }
  return output.Deliver(text);
}

absl::Status PredictTitles(const OpenModel& open, const PredictFlags& flags, Output& output) {
  const absl::StatusOr<RowId> found = open.lookup().User(flags.user);
  if (!found.ok() && !flags.fallback_popular) return found.status();
  const std::optional<RowId> user = found.ok() ? std::optional(*found) : std::nullopt;
  if (user.has_value() && !open.substance().OfUser(*user) && !flags.fallback_popular) {
    return absl::FailedPreconditionError(
        absl::StrCat("user ", flags.user,
                     " has no training sample, so a prediction would rest on nothing (--fallback "
                     "popular gives means)"));
  }
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
  const int kinds =
      (flags.pairs.empty() ? 0 : 1) + (flags.split.empty() ? 0 : 1) + (flags.user.empty() ? 0 : 1);
  if (kinds != 1) {
    return absl::InvalidArgumentError(
        "predict needs one of --pairs FILE, --split val|train, --user U --titles ...");
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
  return flags.user.empty() ? PredictPairs(**open, flags, *output)
                            : PredictTitles(**open, flags, *output);
}

}  // namespace cf
