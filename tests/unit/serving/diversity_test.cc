// Goal: lists trade scores for variety as far as they are told to. Method: a plain search for each
// place, and the ends of the scale.

#include "serving/diversity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include <absl/strings/str_split.h>

#include "serving/recommender.h"
#include "tests/unit/serving/job_snapshot.h"

namespace cf::diversity_test {
namespace {

class DiversityTest : public testing::Test {
 protected:
  DiversityTest() { Open("model { matrix_factorization { dim: 6 } }", false); }

  void Open(const std::string& job, bool cold) {
    SetFloatMode();
    const std::string place = folder_.At(cold ? "cold" : "warm");
    if (cold) {
      WriteColdData(place + "data");
    } else {
      WriteTestData(place + "data");
    }
    const Dataset data = Dataset::Open(place + "data").value();
    const Snapshot snapshot = Snapshot::Open(WriteJobSnapshot(place + "run", data, job)).value();
    recommender_.reset();
    catalogue_.emplace(Catalogue::Open(snapshot.manifest(), "").value());
    model_.emplace(ServedModel::Load(snapshot, &*catalogue_).value());
    recommender_.emplace(Recommender::Make(*model_, *catalogue_).value());
  }

  double Cosine(RowId a, RowId b, const std::vector<double>& mean) const {
    double product = 0;
    double squares_a = 0;
    double squares_b = 0;
    for (std::size_t k = 0; k < mean.size(); ++k) {
      const double of_a = static_cast<double>(model_->items().vector(a)[k]) - mean[k];
      const double of_b = static_cast<double>(model_->items().vector(b)[k]) - mean[k];
      product += of_a * of_b;
      squares_a += of_a * of_a;
      squares_b += of_b * of_b;
    }
    return product / std::sqrt(squares_a * squares_b);
  }

  /// Place by place, every candidate against every item that is chosen.
  std::vector<ScoredRow> SlowList(std::vector<ScoredRow> left, std::size_t top,
                                  double strength) const {
    std::vector<double> mean(model_->items().dim());
    for (const ScoredRow& row : left) {
      for (std::size_t k = 0; k < mean.size(); ++k) {
        mean[k] += static_cast<double>(model_->items().vector(row.id)[k]) /
                   static_cast<double>(left.size());
      }
    }
    const auto count = static_cast<double>(left.size());
    double middle = 0;
    double squares = 0;
    for (const ScoredRow& row : left) middle += static_cast<double>(row.score) / count;
    for (const ScoredRow& row : left)
      squares += std::pow(static_cast<double>(row.score) - middle, 2);
    const double deviation = std::sqrt(squares / count);
    std::vector<ScoredRow> list;
    while (list.size() < top && !left.empty()) {
      const auto value = [&](const ScoredRow& row) {
        const double relevance = (static_cast<double>(row.score) - middle) / (4 * deviation);
        if (list.empty()) return (1 - strength) * relevance;
        double likeness = 0;
        for (const ScoredRow& other : list) {
          likeness += Cosine(row.id, other.id, mean) / static_cast<double>(list.size());
        }
        return (1 - strength) * relevance - strength * likeness;
      };
      const auto best = std::ranges::max_element(left, {}, value);
      list.push_back(*best);
      left.erase(best);
    }
    std::ranges::sort(list, RanksBefore);
    return list;
  }

  TestFolder folder_;
  std::optional<Catalogue> catalogue_;
  std::optional<ServedModel> model_;
  std::optional<Recommender> recommender_;
};

TEST_F(DiversityTest, ListsAreThoseOfAPlainSearch) {
  const RowId user{3};
  const std::vector<ScoredRow> candidates =
      recommender_->TopItems(user, {.top = 1000, .min_ratings = 0}).items;
  ASSERT_GT(candidates.size(), 40);
  for (const double strength : {0.1, 0.5, 0.9, 1.0}) {
    EXPECT_EQ(Diversify(*model_, *catalogue_, candidates, 8,
                        {.strength = strength, .likeness = LikenessOf::kVectors}),
              SlowList(candidates, 8, strength));
    // Of twenty candidates a place.
    const std::vector<ScoredRow> first(candidates.begin(), candidates.begin() + 40);
    EXPECT_EQ(recommender_
                  ->TopItems(
                      user, {.top = 2,
                             .min_ratings = 0,
                             .diversity = {.strength = strength, .likeness = LikenessOf::kVectors}})
                  .items,
              SlowList(first, 2, strength));
  }
}

TEST_F(DiversityTest, WithoutStrengthListsAreWhatTheyWere) {
  for (std::uint32_t k = 0; k < catalogue_->data().users(); ++k) {
    const ItemList plain = recommender_->TopItems(RowId{k}, {.top = 10});
    EXPECT_EQ(recommender_->TopItems(RowId{k}, {.top = 10, .diversity = {.strength = 0}}), plain);
    // A cap that nothing meets changes nothing either, though the list is then chosen.
    EXPECT_EQ(recommender_->TopItems(RowId{k}, {.top = 10, .diversity = {.genre_cap = 10}}), plain);
    const std::vector<ScoredRow> all = recommender_->TopItems(RowId{k}, {.top = 90}).items;
    const std::vector<ScoredRow> cut = Diversify(*model_, *catalogue_, all, 10, {});
    EXPECT_EQ(cut, plain.items);
  }
}

TEST_F(DiversityTest, ListsOfAllUsersAreThoseOfEach) {
  const ListOptions options = {.top = 5,
                               .diversity = {.strength = 0.4, .likeness = LikenessOf::kVectors}};
  const absl::Status done = recommender_->ForAllUsers(
      {.list = options, .threads = 2}, [&](RowId user, const ItemList& list) {
        EXPECT_EQ(list, recommender_->TopItems(user, options));
        return absl::OkStatus();
      });
  EXPECT_TRUE(done.ok());
}

TEST_F(DiversityTest, NoGenreHasMoreThanItsCap) {
  // Every item is both Action and Drama.
  EXPECT_EQ(
      recommender_->TopItems(RowId{3}, {.top = 10, .diversity = {.genre_cap = 4}}).items.size(), 4);
  Open("model { matrix_factorization { dim: 4 } }", true);
  for (const double strength : {0.0, 0.5}) {
    const ItemList list =
        recommender_->TopItems(RowId{0}, {.top = 10,
                                          .min_ratings = 0,
                                          .mask = Mask::kNone,
                                          .diversity = {.strength = strength, .genre_cap = 2}});
    std::map<std::string, int> counts;
    for (const ScoredRow& row : list.items) ++counts[catalogue_->data().genres(row.id)];
    EXPECT_EQ(counts["Drama"], 2);
    EXPECT_EQ(counts["Sci-Fi"], 2);
    EXPECT_EQ(counts[""], 1);  // What has no genre meets no cap.
  }
}

// Goal: where only scores count a list is what it is where variety counts for next to nothing, too.
TEST_F(DiversityTest, WithACapAloneListsAreOfTheHighestScoresThatItAllows) {
  Open("model { matrix_factorization { dim: 4 } }", true);
  for (const std::uint32_t cap : {1U, 2U, 3U}) {
    for (std::uint32_t k = 0; k < 6; ++k) {
      ListOptions options = {.top = 4, .min_ratings = 0, .mask = Mask::kNone};
      options.diversity = {.strength = 0, .genre_cap = cap};
      const ItemList list = recommender_->TopItems(RowId{k}, options);
      options.diversity.strength = 1e-12;
      EXPECT_EQ(list, recommender_->TopItems(RowId{k}, options)) << k << ", cap " << cap;
      EXPECT_EQ(list.items.size(), std::min(4U, 2 * cap + 1));
    }
  }
}

TEST_F(DiversityTest, WithoutVectorsGenresSayWhatIsAlike) {
  Open("model { popularity {} }", true);
  const ItemList plain =
      recommender_->TopItems(RowId{0}, {.top = 4, .min_ratings = 0, .mask = Mask::kNone});
  const ItemList mixed = recommender_->TopItems(
      RowId{0}, {.top = 4, .min_ratings = 0, .mask = Mask::kNone, .diversity = {.strength = 1}});
  const auto genres = [&](const ItemList& list) {
    std::map<std::string, int> counts;
    for (const ScoredRow& row : list.items) ++counts[catalogue_->data().genres(row.id)];
    return counts.size();
  };
  EXPECT_EQ(mixed.items.front(), plain.items.front());
  EXPECT_EQ(genres(mixed), 3);  // Drama, Sci-Fi, and none.
  EXPECT_TRUE(Diversify(*model_, *catalogue_, {}, 4, {.strength = 1}).empty());
}

TEST_F(DiversityTest, GenresSayWhatIsAlikeUnlessVectorsAreAskedFor) {
  Open("model { matrix_factorization { dim: 4 } }", true);
  const auto list = [&](std::optional<LikenessOf> likeness) {
    return recommender_->TopItems(RowId{0}, {.top = 3,
                                             .min_ratings = 0,
                                             .mask = Mask::kNone,
                                             .diversity = {.strength = 1, .likeness = likeness}});
  };
  std::map<std::string, int> counts;
  for (const ScoredRow& row : list({}).items) ++counts[catalogue_->data().genres(row.id)];
  EXPECT_EQ(counts.size(), 3);
  EXPECT_EQ(list({}), list(LikenessOf::kGenres));
  EXPECT_NE(list({}), list(LikenessOf::kVectors));
}

TEST_F(DiversityTest, WithoutGenresVectorsSayWhatIsAlike) {
  DatasetWriter writer =
      DatasetWriter::Create({.folder = folder_.At("bare"), .name = "bare"}).value();
  SampleChunk chunk;
  std::vector<std::int64_t> ids;
  for (std::uint32_t k = 0; k < 40; ++k) {
    chunk.users.push_back(k);
    chunk.items.push_back(k);
    chunk.ratings.push_back(3);
    ids.push_back(k);
  }
  writer.Append(std::move(chunk));
  writer.SetUsers(Vocabulary(ids));
  writer.SetItems(Vocabulary(ids));
  ASSERT_TRUE(writer.Finish().ok());
  const Dataset data = Dataset::Open(folder_.At("bare")).value();
  const Snapshot snapshot =
      Snapshot::Open(WriteJobSnapshot(folder_.At("barerun"), data,
                                      "model { matrix_factorization { dim: 4 } }"))
          .value();
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const ServedModel model = ServedModel::Load(snapshot, &catalogue).value();
  const std::vector<ScoredRow> candidates =
      Recommender::Make(model, catalogue)->TopItems(RowId{0}, {.top = 30, .min_ratings = 0}).items;
  const std::vector<ScoredRow> list = Diversify(model, catalogue, candidates, 5, {.strength = 0.8});
  EXPECT_EQ(list, Diversify(model, catalogue, candidates, 5,
                            {.strength = 0.8, .likeness = LikenessOf::kVectors}));
  EXPECT_NE(list, std::vector<ScoredRow>(candidates.begin(), candidates.begin() + 5));
}

}  // namespace
}  // namespace cf::diversity_test
