#include "serving/recommender.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/dataset/import.h"
#include "tests/support/paths.h"
#include "tests/support/sanitizers.h"
#include "tests/unit/serving/test_model.h"

namespace cf::recommender_test {
namespace {

/// Lists found the slow and obvious way: score everything, take the best. (To sort it all, too, would be most of the test's time.)
std::vector<ScoredRow> BruteForce(const ServedModel& model, const Catalogue& catalogue, RowId user,
                                  const ListOptions& options) {
  std::vector<bool> seen(model.items().rows());
  for (const RowId item : catalogue.SeenBy(user)) seen[Index(item)] = true;
  std::vector<ScoredRow> all;
  for (std::uint32_t k = 0; k < model.items().rows(); ++k) {
    const RowId item{k};
    if (seen[k] || catalogue.ItemTrainingRatings(item) < options.min_ratings.value_or(1)) continue;
    all.push_back({item, model.RawScore(user, item)});
  }
  const auto end = all.begin() + static_cast<std::ptrdiff_t>(std::min(all.size(), options.top));
  std::partial_sort(all.begin(), end, all.end(), [](const ScoredRow& a, const ScoredRow& b) {
    return a.score != b.score ? a.score > b.score : a.id < b.id;
  });
  all.erase(end, all.end());
  return all;
}

class RecommenderTest : public testing::Test {
 protected:
  RecommenderTest() {
    SetFloatMode();
    WriteTestData(folder_.At("data"));
    const absl::StatusOr<Dataset> data = Dataset::Open(folder_.At("data"));
    const absl::StatusOr<Snapshot> snapshot =
        Snapshot::Open(WriteTestSnapshot(folder_.At("run"), *data));
    model_.emplace(*ServedModel::Load(*snapshot));
    catalogue_.emplace(*Catalogue::Open(snapshot->manifest(), ""));
    recommender_.emplace(*Recommender::Make(*model_, *catalogue_));
  }

  TestFolder folder_;
  std::optional<ServedModel> model_;
  std::optional<Catalogue> catalogue_;
  std::optional<Recommender> recommender_;
};

TEST_F(RecommenderTest, ListsEqualBruteForceForOneUserAndForAll) {
  for (const ListOptions& options :
       {ListOptions{.top = 10, .min_ratings = 0}, ListOptions{.top = 1, .min_ratings = 18},
        ListOptions{.top = 1000, .min_ratings = 0}, ListOptions{.top = 0, .min_ratings = 0}}) {
    std::uint32_t next = 0;
    const absl::Status done = recommender_->ForAllUsers(
        {.list = options, .threads = 3}, [&](RowId user, const ItemList& list) {
          EXPECT_EQ(user, RowId{next++});
          const std::vector<ScoredRow> expected = BruteForce(*model_, *catalogue_, user, options);
          EXPECT_EQ(list.items, expected);
          EXPECT_EQ(list.source, Source::kModel);
          EXPECT_EQ(recommender_->TopItems(user, options), list);
          return absl::OkStatus();
        });
    EXPECT_TRUE(done.ok());
    EXPECT_EQ(next, catalogue_->data().users());
  }
}

TEST_F(RecommenderTest, NoSeenItemIsRecommendedNeitherOfTrainingNorOfValidation) {
  ASSERT_GT(catalogue_->split().validation_count(), 0);
  const absl::Status done = recommender_->ForAllUsers(
      {.list = {.top = 1000}, .threads = 2}, [&](RowId user, const ItemList& list) {
        for (const ScoredRow& row : list.items) EXPECT_FALSE(catalogue_->RatingOf(user, row.id));
        EXPECT_EQ(list.items.size() + catalogue_->SeenBy(user).size(), catalogue_->data().items());
        return absl::OkStatus();
      });
  EXPECT_TRUE(done.ok());
}

TEST_F(RecommenderTest, TiesGoByAscendingId) {
  int ties = 0;
  for (std::uint32_t u = 0; u < catalogue_->data().users(); ++u) {
    const std::vector<ScoredRow> list = recommender_->TopItems(RowId{u}, {.top = 1000}).items;
    for (std::size_t k = 0; k + 1 < list.size(); ++k) {
      if (list[k].score != list[k + 1].score) continue;
      EXPECT_LT(list[k].id, list[k + 1].id);
      ++ties;
    }
  }
  EXPECT_GT(ties, 0);  // Items 3 and 4 are equal.
}

TEST_F(RecommenderTest, TheLastPlaceOfATieGoesToTheLowerId) {
  TopList list(2);
  list.Offer(RowId{0}, 1);
  list.Offer(RowId{1}, 2);
  list.Offer(RowId{2}, 1);
  list.Offer(RowId{3}, std::nanf(""));
  EXPECT_EQ(list.Take(), (std::vector<ScoredRow>{{RowId{1}, 2}, {RowId{0}, 1}}));
}

TEST_F(RecommenderTest, TopUsersAreThoseWithTheHighestPredictionsWhoHaveNotRated) {
  const RowId item{17};
  std::vector<ScoredRow> expected;
  for (std::uint32_t u = 0; u < catalogue_->data().users(); ++u) {
    if (catalogue_->RatingOf(RowId{u}, item)) continue;
    expected.push_back({RowId{u}, model_->RawScore(RowId{u}, item)});
  }
  std::sort(expected.begin(), expected.end(), RanksBefore);
  EXPECT_EQ(recommender_->TopUsers(item, {.top = 1000}), expected);
  expected.resize(7);
  EXPECT_EQ(recommender_->TopUsers(item, {.top = 7}), expected);
}

TEST_F(RecommenderTest, SimilarUsersAreRankedByCosine) {
  const WeightTable& users = model_->users();
  const auto cosine = [&](RowId a, RowId b) {
    double ab = 0;
    double aa = 0;
    double bb = 0;
    for (std::size_t k = 0; k < users.dim(); ++k) {
      ab += double{users.vector(a)[k]} * double{users.vector(b)[k]};
      aa += double{users.vector(a)[k]} * double{users.vector(a)[k]};
      bb += double{users.vector(b)[k]} * double{users.vector(b)[k]};
    }
    return ab / std::sqrt(aa * bb);
  };
  const std::vector<ScoredRow> similar = recommender_->SimilarUsers(RowId{5}, 1000).value();
  ASSERT_EQ(similar.size(), catalogue_->data().users() - 1);
  for (std::size_t k = 0; k < similar.size(); ++k) {
    EXPECT_NE(similar[k].id, RowId{5});
    EXPECT_NEAR(similar[k].score, cosine(RowId{5}, similar[k].id), 1e-5);
    if (k > 0) {
      EXPECT_TRUE(RanksBefore(similar[k - 1], similar[k]));
    }
  }
  EXPECT_EQ(recommender_->SimilarUsers(RowId{5}, 3)->size(), 3U);
}

TEST_F(RecommenderTest, SimilarItemsAreRankedByCosine) {
  const std::vector<ScoredRow> similar =
      recommender_->SimilarItems(RowId{3}, {.top = 1000}).value();
  ASSERT_EQ(similar.size(), catalogue_->data().items() - 1);
  EXPECT_EQ(similar.front().id, RowId{4});
  for (const ScoredRow& row : similar) {
    double dot = 0;
    double a2 = 0;
    double b2 = 0;
    for (std::size_t k = 0; k < model_->items().dim(); ++k) {
      const double a = static_cast<double>(model_->items().vector(RowId{3})[k]);
      const double b = static_cast<double>(model_->items().vector(row.id)[k]);
      dot += a * b;
      a2 += a * a;
      b2 += b * b;
    }
    EXPECT_NEAR(static_cast<double>(row.score), dot / std::sqrt(a2 * b2), 1e-6);
  }
  EXPECT_TRUE(std::is_sorted(similar.begin(), similar.end(), RanksBefore));
}

TEST_F(RecommenderTest, PopularItemsAreThoseWithTheMostTrainingRatings) {
  const ItemList list = recommender_->PopularItems({.top = 5});
  EXPECT_EQ(list.source, Source::kPopular);
  const std::vector<ScoredRow>& popular = list.items;
  ASSERT_EQ(popular.size(), 5);
  std::uint64_t total = 0;
  for (std::uint32_t k = 0; k < catalogue_->data().items(); ++k) {
    total += catalogue_->ItemTrainingRatings(RowId{k});
    EXPECT_FALSE(popular.back().score <
                     static_cast<float>(catalogue_->ItemTrainingRatings(RowId{k})) &&
                 std::none_of(popular.begin(), popular.end(),
                              [&](const ScoredRow& row) { return row.id == RowId{k}; }));
  }
  EXPECT_EQ(total, catalogue_->split().training_count());
}

TEST_F(RecommenderTest, AnErrorOfTheVisitorEndsTheSearch) {
  int calls = 0;
  const absl::Status ended =
      recommender_->ForAllUsers({.list = {}, .threads = 1}, [&](RowId, const ItemList&) {
        return ++calls == 3 ? absl::ResourceExhaustedError("disk full") : absl::OkStatus();
      });
  EXPECT_EQ(ended.message(), "disk full");
  EXPECT_EQ(calls, 3);
}

// Goal: where bounds hold items back, lists are brute force's to the bit, for users of tables and for others.
TEST(RecommenderOfManyItems, ListsEqualBruteForce) {
  SetFloatMode();
  const TestFolder folder;
  constexpr std::uint32_t kUserCount = 12;
  constexpr std::uint32_t kItemCount = 5 * ItemSieve::kTile + 40;
  SampleChunk chunk;
  std::vector<std::int64_t> users;
  std::vector<std::int64_t> items;
  for (std::uint32_t u = 0; u < kUserCount; ++u) users.push_back(u);
  for (std::uint32_t i = 0; i < kItemCount; ++i) {
    items.push_back(i);
    chunk.users.push_back(i * 7 % kUserCount);
    chunk.items.push_back(i);
    chunk.ratings.push_back(3);
  }
  DatasetWriter writer =
      DatasetWriter::Create({.folder = folder.At("data"), .name = "many"}).value();
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(std::move(users)));
  writer.SetItems(Vocabulary(std::move(items)));
  ASSERT_TRUE(writer.Finish().ok());
  const Dataset data = Dataset::Open(folder.At("data")).value();
  const Snapshot snapshot =
      Snapshot::Open(WriteTestSnapshot(folder.At("run"), data, {.dim = 40})).value();
  const ServedModel model = ServedModel::Load(snapshot).value();
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const Recommender recommender = Recommender::Make(model, catalogue).value();
  for (const std::size_t top : {1U, 10U, 200U}) {
    const ListOptions options = {.top = top, .min_ratings = 0};
    // The first passes over the items make what bounds come from.
    const absl::Status done = recommender.ForAllUsers(
        {.list = options, .threads = 2}, [&](RowId user, const ItemList& list) {
          const std::vector<ScoredRow> expected = BruteForce(model, catalogue, user, options);
          EXPECT_EQ(list.items, expected);
          const WeightTable& table = model.users();
          const UserRow row = {
              .vector = {table.vector(user), table.vector(user) + table.padded_dim()},
              .bias = table.bias(user)};
          EXPECT_EQ(recommender.TopItems(row, catalogue.SeenBy(user), options).items, expected);
          return absl::OkStatus();
        });
    EXPECT_TRUE(done.ok());
  }
}

// Goal: lists for all users of a real data set, over several tiles and waves, are brute force's. (A
// sanitizer sees them all made, and one in sixteen compared.)
TEST(RecommenderOfMovieLens1M, AllUsersEqualBruteForce) {
  const std::string ratings = CF_TEST_DATA "/ml-1m/ratings.csv";
  if (!std::filesystem::exists(ratings)) GTEST_SKIP() << "no " << ratings;
  SetFloatMode();
  const TestFolder folder;
  ImportOptions source;
  source.ratings = {ratings};
  source.out = folder.At("data");
  const absl::StatusOr<ImportSummary> imported = Import(source);
  ASSERT_TRUE(imported.ok()) << imported.status();
  const absl::StatusOr<Dataset> data = Dataset::Open(folder.At("data"));
  const absl::StatusOr<Snapshot> snapshot =
      Snapshot::Open(WriteTestSnapshot(folder.At("run"), *data, {.dim = 64}));
  const absl::StatusOr<ServedModel> model = ServedModel::Load(*snapshot);
  ASSERT_TRUE(model.ok()) << model.status();
  const absl::StatusOr<Catalogue> catalogue = Catalogue::Open(snapshot->manifest(), "");
  const absl::StatusOr<Recommender> recommender = Recommender::Make(*model, *catalogue);

  const ListOptions options = {.top = 10, .min_ratings = 3};
  std::uint32_t users = 0;
  const absl::Status done = recommender->ForAllUsers(
      {.list = options, .threads = 2}, [&](RowId user, const ItemList& list) {
        ++users;
        if (kSanitized && Index(user) % 16 != 0) return absl::OkStatus();
        EXPECT_EQ(list.items, BruteForce(*model, *catalogue, user, options));
        return absl::OkStatus();
      });
  EXPECT_TRUE(done.ok());
  EXPECT_EQ(users, 6040);
}

}  // namespace
}  // namespace cf::recommender_test
