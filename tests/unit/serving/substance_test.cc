// Goal: no answer is made of a row that no sample has trained. Method: a data set in which a user
// and two items have samples of validation only.

#include "serving/substance.h"

#include <optional>
#include <vector>

#include <gmock/gmock.h>

#include "serving/open_model.h"
#include "tests/unit/serving/test_model.h"

namespace cf::substance_test {
namespace {

using testing::HasSubstr;

class SubstanceTest : public testing::Test {
 protected:
  explicit SubstanceTest(const TestSnapshotOptions& options = {}) {
    open_ = OpenModel::Open({.snapshot = WriteColdSnapshot(folder_.At(""), options)}).value();
  }

  RowId User(const char* raw) const { return open_->data().FindUser(raw).value(); }
  RowId Item(const char* raw) const { return open_->data().FindItem(raw).value(); }
  std::vector<std::string> RawIds(const ItemList& list) const {
    std::vector<std::string> raw;
    for (const ScoredRow& row : list.items) raw.push_back(open_->data().item_raw_id(row.id));
    return raw;
  }

  TestFolder folder_;
  std::unique_ptr<OpenModel> open_;
};

TEST_F(SubstanceTest, IsWhatTrainingSamplesGive) {
  for (const char* user : {"100", "105", "107"}) {
    EXPECT_TRUE(open_->substance().OfUser(User(user))) << user;
  }
  EXPECT_FALSE(open_->substance().OfUser(User("106")));
  for (const char* item : {"200", "206", "207"}) {
    EXPECT_TRUE(open_->substance().OfItem(Item(item))) << item;
  }
  EXPECT_FALSE(open_->substance().OfItem(Item("208")));
  EXPECT_FALSE(open_->substance().OfItem(Item("209")));
  EXPECT_EQ(open_->substance().lists(), Source::kModel);
}

TEST_F(SubstanceTest, AColdUserHasNoListOrThePopularOne) {
  const Recommender& recommender = open_->recommender();
  EXPECT_EQ(recommender.TopItems(User("106"), {.top = 3}), ItemList());
  const ItemList popular = recommender.TopItems(User("106"), {.top = 3, .fallback_popular = true});
  EXPECT_EQ(popular.source, Source::kPopular);
  // Item 200 is the user's own, of validation.
  EXPECT_THAT(RawIds(popular), testing::ElementsAre("201", "202", "203"));
  EXPECT_EQ(popular.items.front().score, 6);
  EXPECT_THAT(RawIds(recommender.TopItems(
                  User("106"), {.top = 1, .mask = Mask::kTrain, .fallback_popular = true})),
              testing::ElementsAre("200"));
  // Nobody has rated items 208 and 209 in training, so they are not popular either.
  EXPECT_EQ(recommender.PopularItems({.top = 1000}).items.size(), 8);
}

TEST_F(SubstanceTest, AColdItemIsInNoListUnlessItIsAskedFor) {
  const Recommender& recommender = open_->recommender();
  for (const char* user : {"100", "103", "107"}) {
    const ItemList list = recommender.TopItems(User(user), {.top = 1000});
    EXPECT_THAT(RawIds(list), testing::Not(testing::Contains("208"))) << user;
    EXPECT_THAT(RawIds(list), testing::Not(testing::Contains("209"))) << user;
    const ItemList all = recommender.TopItems(User(user), {.top = 1000, .min_ratings = 0});
    EXPECT_THAT(RawIds(all), testing::Contains("208")) << user;
    EXPECT_EQ(recommender.SourceOf(all, Item("208")), Source::kNone);
    EXPECT_EQ(recommender.SourceOf(all, Item("206")), Source::kModel);
  }
  const absl::StatusOr<std::vector<ScoredRow>> similar =
      recommender.SimilarItems(Item("200"), {.top = 1000});
  ASSERT_TRUE(similar.ok()) << similar.status();
  for (const ScoredRow& row : *similar) EXPECT_NE(row.id, Item("208"));
}

TEST_F(SubstanceTest, NothingIsSimilarToAColdItemAndNobodyIsBestForIt) {
  const absl::Status refused = open_->recommender().SimilarItems(Item("209"), {.top = 3}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("item 209 has no training sample"));
  EXPECT_TRUE(open_->recommender().TopUsers(Item("209"), {.top = 3}).empty());
  for (const ScoredRow& row : open_->recommender().TopUsers(Item("206"), {.top = 1000})) {
    EXPECT_NE(row.id, User("106"));
  }
}

TEST_F(SubstanceTest, ListsForAllSayWhoHasNone) {
  std::vector<std::string> without;
  const absl::Status done = open_->recommender().ForAllUsers(
      {.list = {.top = 2}, .threads = 2}, [&](RowId user, const ItemList& list) {
        if (list.source == Source::kNone) without.push_back(open_->data().user_raw_id(user));
        return absl::OkStatus();
      });
  EXPECT_TRUE(done.ok());
  EXPECT_THAT(without, testing::ElementsAre("106"));
}

TEST(SubstanceOfAPopularityModel, IsTheSameForEverybody) {
  const TestFolder folder;
  const auto open = OpenModel::Open(
      {.snapshot = WriteColdSnapshot(folder.At(""), {.dim = 0, .counts_items = true})});
  ASSERT_TRUE(open.ok()) << open.status();
  const RowId cold = (*open)->data().FindUser("106").value();
  EXPECT_TRUE((*open)->substance().OfUser(cold));
  EXPECT_EQ((*open)->recommender().TopItems(cold, {.top = 3}).source, Source::kPopular);
  const absl::Status similar = (*open)->recommender().SimilarItems(RowId{0}, {.top = 3}).status();
  EXPECT_THAT(std::string(similar.message()), HasSubstr("the model has no vectors of items"));
}

TEST(SubstanceOfFeatures, IsWhatColdItemsShareWithOthers) {
  const TestFolder folder;
  const auto open = OpenModel::Open({.snapshot = WriteColdSnapshot(folder.At(""), {.genres = 2})});
  ASSERT_TRUE(open.ok()) << open.status();
  const Dataset& data = (*open)->data();
  EXPECT_TRUE((*open)->substance().OfItem(data.FindItem("208").value()));
  EXPECT_FALSE((*open)->substance().OfItem(data.FindItem("209").value()));
  EXPECT_FALSE((*open)->substance().OfUser(data.FindUser("106").value()));
  const ItemList list =
      (*open)->recommender().TopItems(data.FindUser("100").value(), {.top = 1000});
  // All but the user's own two and item 209.
  EXPECT_EQ(list.items.size(), 7);
}

}  // namespace
}  // namespace cf::substance_test
