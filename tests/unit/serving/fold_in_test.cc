// Goal: somebody folded in has the row that the model's own loss asks for. Method: a plain dense
// solution of the normal equations, derivatives of the loss at what was found, and what must hold of
// any ratings.

#include "serving/fold_in.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>

#include "serving/point_loss.h"
#include "serving/recommender.h"
#include "tests/unit/serving/job_snapshot.h"

namespace cf::fold_in_test {
namespace {

constexpr char kRatings[] =
    "model { matrix_factorization { dim: 6 l2_vectors: 0.002 l2_biases: 0.001 } }"
    "train { batch_size: 32 }";

/// A model of a job on WriteTestData's data.
struct Opened {
  Opened(const std::string& folder, const std::string& job, bool cold = false) {
    SetFloatMode();
    if (cold) {
      WriteColdData(folder + "/data");
    } else {
      WriteTestData(folder + "/data");
    }
    const Dataset data = Dataset::Open(folder + "/data").value();
    const Snapshot snapshot = Snapshot::Open(WriteJobSnapshot(folder + "/run", data, job)).value();
    catalogue.emplace(Catalogue::Open(snapshot.manifest(), "").value());
    model.emplace(ServedModel::Load(snapshot, &*catalogue).value());
  }

  std::optional<Catalogue> catalogue;
  std::optional<ServedModel> model;
};

class FoldInTest : public testing::Test {
 protected:
  TestFolder folder_;
};

/// Of items all over the table, with different ratings.
std::vector<GivenRating> SomeRatings(std::size_t count) {
  std::vector<GivenRating> given;
  for (std::size_t k = 0; k < count; ++k) {
    given.push_back({.item = RowId{static_cast<std::uint32_t>(7 * k % 90)},
                     .rating = 0.5F * static_cast<float>(1 + (3 * k) % 10)});
  }
  return given;
}

/// The x of A x = b by elimination with pivots.
std::vector<double> Solved(std::vector<std::vector<double>> a, std::vector<double> b) {
  const std::size_t n = b.size();
  for (std::size_t k = 0; k < n; ++k) {
    std::size_t pivot = k;
    for (std::size_t i = k; i < n; ++i) {
      if (std::abs(a[i][k]) > std::abs(a[pivot][k])) pivot = i;
    }
    std::swap(a[k], a[pivot]);
    std::swap(b[k], b[pivot]);
    for (std::size_t i = 0; i < n; ++i) {
      if (i == k) continue;
      const double factor = a[i][k] / a[k][k];
      for (std::size_t j = k; j < n; ++j) a[i][j] -= factor * a[k][j];
      b[i] -= factor * b[k];
    }
  }
  for (std::size_t k = 0; k < n; ++k) b[k] /= a[k][k];
  return b;
}

/// An item's vector with 1 for the user's bias behind it.
std::vector<double> WithOne(const ServedModel& model, RowId item) {
  const float* const vector = model.items().vector(item);
  std::vector<double> row(vector, vector + model.items().dim());
  row.push_back(1);
  return row;
}

TEST_F(FoldInTest, SquaredErrorsSolveTheNormalEquations) {
  const Opened opened(folder_.At("a"), kRatings);
  const ServedModel& model = *opened.model;
  const FoldIn fold_in = FoldIn::Make(model, *opened.catalogue, FoldIn::Pull::kL2).value();
  const double steps =
      std::ceil(static_cast<double>(opened.catalogue->split().training_count()) / 32);
  for (const std::size_t count : {1UL, 3UL, 20UL, 80UL}) {
    const std::vector<GivenRating> given = SomeRatings(count);
    std::vector<std::vector<double>> left(7, std::vector<double>(7));
    std::vector<double> right(7);
    // Each sample's loss is 1 / 32 of a batch's, and 2 lambda w is added once a batch.
    const double touched = steps * (1 - std::pow(1 - 1 / steps, static_cast<double>(count)));
    for (std::size_t k = 0; k < 7; ++k) left[k][k] = (k < 6 ? 0.002 : 0.001) * 32 * touched;
    for (const GivenRating& one : given) {
      const std::vector<double> row = WithOne(model, one.item);
      const double missing = static_cast<double>(one.rating) -
                             static_cast<double>(model.objective().mean) -
                             static_cast<double>(model.items().bias(one.item));
      for (std::size_t i = 0; i < 7; ++i) {
        for (std::size_t j = 0; j < 7; ++j) left[i][j] += row[i] * row[j];
        right[i] += row[i] * missing;
      }
    }
    const std::vector<double> expected = Solved(left, right);
    const UserRow found = fold_in.Solve(given).value();
    for (std::size_t k = 0; k < 6; ++k) {
      EXPECT_NEAR(static_cast<double>(found.vector[k]), expected[k],
                  1e-6 * (1 + std::abs(expected[k])));
    }
    EXPECT_NEAR(static_cast<double>(found.bias), expected[6], 1e-6 * (1 + std::abs(expected[6])));
  }
}

// The derivative of a user's loss and L2 by the vector's elements and the bias.
std::vector<double> SlopesAt(const Opened& opened, const UserRow& user,
                             std::span<const GivenRating> given, double strength) {
  const ServedModel& model = *opened.model;
  std::vector<double> slopes(7);
  for (std::size_t k = 0; k < 6; ++k) slopes[k] = strength * static_cast<double>(user.vector[k]);
  slopes[6] = strength * static_cast<double>(user.bias);
  for (const GivenRating& one : given) {
    const std::vector<double> row = WithOne(model, one.item);
    double raw = static_cast<double>(model.items().bias(one.item)) +
                 static_cast<double>(model.objective().mean) + static_cast<double>(user.bias);
    for (std::size_t k = 0; k < 6; ++k) raw += row[k] * static_cast<double>(user.vector[k]);
    const double slope = LossAt(model.objective(), raw, static_cast<double>(one.rating)).slope;
    for (std::size_t k = 0; k < 7; ++k) slopes[k] += slope * row[k];
  }
  return slopes;
}

TEST_F(FoldInTest, EveryLinkAndLossIsAtRestWhereItWasFound) {
  int number = 0;
  for (const char* fit :
       {"link: STANDARDIZED", "mean: false link: SIGMOID loss: BCE", "mean: false link: SIGMOID",
        "mean: false link: SCALED_SIGMOID", "reduction: SUM"}) {
    const std::string job =
        absl::StrCat("model { matrix_factorization { dim: 6 l2_vectors: 0.004 l2_biases: 0.004 ",
                     fit, " } } train { batch_size: 1000000 }");
    const Opened opened(folder_.At(absl::StrCat(number++)), job);
    const FoldIn fold_in =
        FoldIn::Make(*opened.model, *opened.catalogue, FoldIn::Pull::kL2).value();
    const std::vector<GivenRating> given = SomeRatings(25);
    const UserRow found = fold_in.Solve(given).value();
    // All samples are in one batch, so 2 lambda w is added once, whatever the number of ratings.
    const double weight = static_cast<double>(opened.model->objective().inverse_batch);
    const std::vector<double> slopes = SlopesAt(opened, found, given, 2 * 0.004 / weight);
    // What floats keep of a row, times the steepest curvature.
    for (const double slope : slopes) EXPECT_NEAR(slope, 0, 2e-2) << fit;
    UserRow other = found;
    other.vector[2] += 0.05F;
    const std::vector<double> elsewhere = SlopesAt(opened, other, given, 2 * 0.004 / weight);
    EXPECT_GT(std::abs(elsewhere[2]), 3 * std::abs(slopes[2])) << fit;
  }
}

TEST_F(FoldInTest, L2CountsTheStepsThatTouchARow) {
  EXPECT_DOUBLE_EQ(TouchedSteps(0, 100, 1), 0);
  EXPECT_NEAR(TouchedSteps(1, 100, 1), 1, 1e-12);
  EXPECT_NEAR(TouchedSteps(2, 100, 1), 2 - 0.01, 1e-12);  // One pair in a hundred meets.
  EXPECT_NEAR(TouchedSteps(100000, 100, 1), 100, 1e-9);
  EXPECT_DOUBLE_EQ(TouchedSteps(9, 1, 1), 1);
  EXPECT_NEAR(TouchedSteps(3, 100, 3), 1, 1e-12);  // A group is in one batch.
  EXPECT_NEAR(TouchedSteps(4, 100, 3), 2 - 0.01, 1e-12);
}

TEST_F(FoldInTest, NobodysRatingsAreTheAverageUser) {
  const Opened opened(folder_.At("a"), kRatings);
  const FoldIn fold_in = FoldIn::Make(*opened.model, *opened.catalogue).value();
  const UserRow average = fold_in.Solve({}).value();
  EXPECT_EQ(average.vector.size(), 16);
  // A weak rating moves somebody little, many much further.
  const auto distance = [&](const UserRow& user) {
    double squares = 0;
    for (std::size_t k = 0; k < 6; ++k) {
      squares += std::pow(static_cast<double>(user.vector[k] - average.vector[k]), 2);
    }
    return std::sqrt(squares);
  };
  const double by_one = distance(fold_in.Solve(SomeRatings(1)).value());
  const double by_many = distance(fold_in.Solve(SomeRatings(60)).value());
  EXPECT_GT(by_one, 0);
  EXPECT_GT(by_many, by_one);
}

TEST_F(FoldInTest, RatingsAreFittedBetterThanByTheAverageUser) {
  for (const char* kind : {"matrix_factorization { dim: 6 }",
                           "matrix_factorization { dim: 6 mean: false link: SIGMOID loss: BCE }",
                           "ranker { user { dim: 5 } item { dim: 6 } "
                           "dense { units: 12 activation: RELU } dense { units: 1 } }",
                           "ranker { user { dim: 5 } item { dim: 6 } item_first: true "
                           "feature { source: USER_HISTORY dim: 4 } dropout: 0.5 "
                           "dense { units: 12 activation: RELU } dense { units: 1 } }"}) {
    const Opened opened(folder_.At(absl::StrCat("m", std::hash<std::string>()(kind))),
                        absl::StrCat("model { ", kind, " }"));
    const ServedModel& model = *opened.model;
    const FoldIn fold_in = FoldIn::Make(model, *opened.catalogue).value();
    const std::vector<GivenRating> given = SomeRatings(70);
    ServedModel::Workspace workspace = model.MakeWorkspace();
    const auto loss = [&](const UserRow& user) {
      double sum = 0;
      for (const GivenRating& one : given) {
        float raw = 0;
        model.ScoreItems(user, one.item, workspace, std::span(&raw, 1));
        sum += LossAt(model.objective(), static_cast<double>(raw), static_cast<double>(one.rating))
                   .value;
      }
      return sum;
    };
    const UserRow user = fold_in.Solve(given).value();
    EXPECT_LT(loss(user), loss(fold_in.Solve({}).value())) << kind;
    EXPECT_TRUE(std::ranges::all_of(user.vector, [](float w) { return std::isfinite(w); }));
  }
}

// Goal: clicks draw their items up, in all models of interactions.
TEST_F(FoldInTest, ClicksAreScoredAboveOtherItems) {
  for (const char* kind :
       {"matrix_factorization { dim: 6 mean: false link: SIGMOID loss: BCE negatives: 4 }",
        "retrieval { user { dim: 6 } item { dim: 6 } }",
        "retrieval { user { dim: 6 } item { dim: 6 } logq_correction: true temperature: 0.5 "
        "remove_accidental_hits: true }",
        "retrieval { user { dim: 5 l2: 0.001 dense { units: 8 activation: RELU } dense { units: 4 "
        "} } "
        "item { dim: 7 dense { units: 4 } } }"}) {
    const Opened opened(folder_.At(absl::StrCat("m", std::hash<std::string>()(kind))),
                        absl::StrCat("model { ", kind, " } train { batch_size: 64 }"));
    const ServedModel& model = *opened.model;
    // Through layers that nobody trained a row moves little, unless the pull is weak.
    const FoldIn::Pull pull = model.has_towers() ? FoldIn::Pull::kL2 : FoldIn::Pull::kSpread;
    const FoldIn fold_in = FoldIn::Make(model, *opened.catalogue, pull).value();
    ServedModel::Workspace workspace = model.MakeWorkspace();
    // What a user of the table likes best.
    std::vector<float> liked(90);
    model.ScoreItems(RowId{7}, RowId{0}, workspace, liked);
    std::vector<GivenRating> clicks;
    for (std::uint32_t k = 0; k < 90; ++k) clicks.push_back({.item = RowId{k}});
    std::ranges::sort(clicks, std::greater(),
                      [&](const GivenRating& one) { return liked[Index(one.item)]; });
    clicks.resize(15);
    // How far the clicked items' mean score is above that of all.
    const auto lead = [&](const UserRow& user) {
      std::vector<float> scores(90);
      model.ScoreItems(user, RowId{0}, workspace, scores);
      double above = 0;
      for (const GivenRating& click : clicks) {
        above += static_cast<double>(scores[Index(click.item)]) / 15;
      }
      for (const float score : scores) above -= static_cast<double>(score) / 90;
      return above;
    };
    EXPECT_GT(lead(fold_in.Solve(clicks).value()), lead(fold_in.Solve({}).value()) + 0.01) << kind;
  }
}

// Goal: the sums over all items are right. Method: the loss of a small model with negatives written
// out, with numerical derivatives where a row was found: at rest but for L2.
TEST_F(FoldInTest, NegativesAreAllOtherItemsAtTheWeightOfTheirDraws) {
  const Opened opened(folder_.At("a"),
                      "model { matrix_factorization { dim: 6 mean: false link: SIGMOID loss: BCE "
                      "negatives: 4 l2_vectors: 0.01 l2_biases: 0.01 reduction: SUM } } "
                      "train { batch_size: 1000000 }");
  const ServedModel& model = *opened.model;
  const FoldIn fold_in = FoldIn::Make(model, *opened.catalogue, FoldIn::Pull::kL2).value();
  const std::vector<GivenRating> clicks = SomeRatings(12);
  const auto loss = [&](const UserRow& user) {
    double sum = 0;
    for (std::uint32_t k = 0; k < 90; ++k) {
      double raw =
          static_cast<double>(model.items().bias(RowId{k})) + static_cast<double>(user.bias);
      for (std::size_t d = 0; d < 6; ++d) {
        raw += static_cast<double>(user.vector[d]) *
               static_cast<double>(model.items().vector(RowId{k})[d]);
      }
      const bool clicked = std::ranges::count(clicks, RowId{k}, &GivenRating::item) > 0;
      sum += clicked ? std::log1p(std::exp(-raw)) : 4.0 * 12 / 78 * std::log1p(std::exp(raw));
    }
    for (std::size_t d = 0; d < 6; ++d)
      sum += 0.01 * std::pow(static_cast<double>(user.vector[d]), 2);
    return sum + 0.01 * std::pow(static_cast<double>(user.bias), 2);
  };
  const UserRow found = fold_in.Solve(clicks).value();
  for (std::size_t d = 0; d < 6; ++d) {
    UserRow more = found;
    UserRow less = found;
    more.vector[d] += 0.01F;
    less.vector[d] -= 0.01F;
    EXPECT_GT(loss(more), loss(found));
    EXPECT_GT(loss(less), loss(found));
    EXPECT_NEAR((loss(more) - loss(less)) / 0.02, 0, 2e-3);
  }
}

TEST_F(FoldInTest, OrderAndRepetitionDecideNothingButTheLastCounts) {
  const Opened opened(folder_.At("a"), kRatings);
  const FoldIn fold_in = FoldIn::Make(*opened.model, *opened.catalogue).value();
  std::vector<GivenRating> given = SomeRatings(30);
  const UserRow expected = fold_in.Solve(given).value();
  std::ranges::reverse(given);
  EXPECT_EQ(fold_in.Solve(given).value().vector, expected.vector);
  EXPECT_EQ(fold_in.Solve(given).value().bias, expected.bias);
  std::vector<GivenRating> repeated = given;
  for (GivenRating& one : repeated) one.rating = 0.5;
  repeated.insert(repeated.end(), given.begin(), given.end());
  EXPECT_EQ(fold_in.Solve(repeated).value().vector, expected.vector);
  repeated.push_back({.item = given[0].item, .rating = given[0].rating < 3 ? 5.0F : 0.5F});
  EXPECT_NE(fold_in.Solve(repeated).value().vector, expected.vector);
}

TEST_F(FoldInTest, RefusesWhatIsNoRating) {
  const Opened opened(folder_.At("a"), kRatings);
  const FoldIn fold_in = FoldIn::Make(*opened.model, *opened.catalogue).value();
  const auto refusal = [&](GivenRating one) { return fold_in.Solve(std::span(&one, 1)).status(); };
  EXPECT_EQ(refusal({.item = RowId{90}, .rating = 3}).message(), "an item has the row 90 of 90");
  EXPECT_THAT(
      std::string(refusal({.item = RowId{0}, .rating = 5.5F}).message()),
      testing::MatchesRegex(
          "the rating 5.5 of item [0-9]+ is not between 0.5 and 5, as those of training are"));
  EXPECT_EQ(refusal({.item = RowId{0}, .rating = 0}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal({.item = RowId{0}, .rating = std::numeric_limits<float>::quiet_NaN()}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(refusal({.item = RowId{0}, .rating = 5}).ok());
  EXPECT_TRUE(refusal({.item = RowId{0}, .rating = 0.5}).ok());
}

TEST_F(FoldInTest, PassesOverItemsOfWhichNothingIsLearned) {
  const Opened opened(folder_.At("a"), kRatings, true);
  const FoldIn fold_in = FoldIn::Make(*opened.model, *opened.catalogue).value();
  std::optional<RowId> untrained;
  for (std::uint32_t k = 0; k < opened.catalogue->data().items(); ++k) {
    if (opened.catalogue->ItemTrainingRatings(RowId{k}) == 0) untrained = RowId{k};
  }
  ASSERT_TRUE(untrained.has_value());
  const std::vector<GivenRating> given = {{.item = *untrained, .rating = 5}};
  EXPECT_EQ(fold_in.Solve(given).value().vector, fold_in.Solve({}).value().vector);
}

TEST_F(FoldInTest, AModelOfCountsHasOneUser) {
  const Opened opened(folder_.At("a"), "model { popularity {} }");
  const FoldIn fold_in = FoldIn::Make(*opened.model, *opened.catalogue).value();
  const UserRow user = fold_in.Solve(SomeRatings(3)).value();
  EXPECT_EQ(user.bias, 0);
  const Recommender recommender = Recommender::Make(*opened.model, *opened.catalogue).value();
  const ItemList list = recommender.TopItems(user, {}, {.top = 5});
  EXPECT_EQ(list.items.size(), 5);
  EXPECT_EQ(list.source, Source::kPopular);
}

TEST_F(FoldInTest, RefusesModelsThatItCannotServe) {
  const Opened plain(folder_.At("a"), "model { matrix_factorization { dim: 6 } }");
  EXPECT_EQ(FoldIn::Make(*plain.model, *plain.catalogue, FoldIn::Pull::kL2).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const Opened large(folder_.At("b"), "model { matrix_factorization { dim: 1025 } }");
  EXPECT_EQ(FoldIn::Make(*large.model, *large.catalogue).status().message(),
            "vectors of 1025 numbers are too long to fold anybody in: 1024 at most");
}

// Goal: a pull that rounding loses beside the ratings is no end of the program.
TEST_F(FoldInTest, APullMayBeAsWeakAsItLikes) {
  for (const char* fit : {"", "mean: false link: SIGMOID loss: BCE negatives: 2"}) {
    const Opened opened(folder_.At(*fit == '\0' ? "ratings" : "clicks"),
                        absl::StrCat("model { matrix_factorization { dim: 40 l2_vectors: 1e-30 "
                                     "l2_biases: 1e-30 ",
                                     fit, " } }"));
    const FoldIn fold_in =
        FoldIn::Make(*opened.model, *opened.catalogue, FoldIn::Pull::kL2).value();
    for (const std::size_t count : {1UL, 20UL, 80UL}) {
      const absl::StatusOr<UserRow> user = fold_in.Solve(SomeRatings(count));
      ASSERT_TRUE(user.ok()) << user.status();
      EXPECT_TRUE(std::ranges::all_of(user->vector, [](float w) { return std::isfinite(w); }));
    }
  }
}

TEST_F(FoldInTest, SomebodyKnownHasTheirTrainingRatingsFirst) {
  const Opened opened(folder_.At("a"), kRatings);
  const Catalogue& catalogue = *opened.catalogue;
  const std::vector<GivenRating> since = {{.item = RowId{3}, .rating = 1}};
  const RowId user{4};
  const std::vector<GivenRating> given = GivenWithTraining(catalogue, user, since);
  ASSERT_EQ(given.size(), catalogue.UserTrainingRatings(user) + 1);
  EXPECT_EQ(given.back(), since[0]);
  for (std::size_t k = 0; k + 1 < given.size(); ++k) {
    EXPECT_TRUE(catalogue.IsMasked(user, given[k].item, Mask::kTrain));
    EXPECT_EQ(catalogue.RatingOf(user, given[k].item), given[k].rating);
  }
}

// Goal: a row of a table and the same row given as a user have the same scores and lists.
TEST_F(FoldInTest, ARowThatIsGivenScoresAsOneOfATable) {
  for (const char* kind :
       {"matrix_factorization { dim: 6 }",
        "ranker { user { dim: 5 } item { dim: 6 } feature { source: USER_HISTORY dim: 4 } "
        "dense { units: 3 } dense { units: 1 } }",
        "retrieval { user { dim: 5 dense { units: 4 } } item { dim: 7 dense { units: 4 } } }"}) {
    const Opened opened(folder_.At(absl::StrCat("m", std::hash<std::string>()(kind))),
                        absl::StrCat("model { ", kind, " }"));
    const ServedModel& model = *opened.model;
    const RowId user{11};
    const float* const vector = model.users().vector(user);
    UserRow row = {.vector = {vector, vector + model.users().padded_dim()},
                   .bias = model.users().bias(user)};
    for (const ServedFeature& feature : model.features()) {
      const float* const of_user = feature.composed.vector(user);
      row.features.emplace_back(of_user, of_user + feature.composed.padded_dim());
    }
    ServedModel::Workspace workspace = model.MakeWorkspace();
    std::vector<float> of_table(90);
    std::vector<float> given(90);
    model.ScoreItems(user, RowId{0}, workspace, of_table);
    model.ScoreItems(row, RowId{0}, workspace, given);
    EXPECT_EQ(of_table, given) << kind;
    const Recommender recommender = Recommender::Make(model, *opened.catalogue).value();
    const ListOptions options = {.top = 12};
    EXPECT_EQ(recommender.TopItems(row, opened.catalogue->SeenBy(user), options).items,
              recommender.TopItems(user, options).items)
        << kind;
  }
}

}  // namespace
}  // namespace cf::fold_in_test
