#include "serving/item_choice.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "serving/open_model.h"
#include "tests/unit/serving/test_model.h"

namespace cf::item_choice_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class ItemChoiceTest : public testing::Test {
 protected:
  ItemChoiceTest() {
    open_ = OpenModel::Open({.snapshot = WriteColdSnapshot(folder_.At(""))}).value();
  }

  RowId User(const char* raw) const { return open_->data().FindUser(raw).value(); }
  RowId Item(const char* raw) const { return open_->data().FindItem(raw).value(); }
  std::vector<std::string> ListFor(const char* user, ItemChoice::Options rules,
                                   ListOptions options = {.top = 1000}) const {
    const ItemChoice choice(open_->data(), std::move(rules));
    options.choice = &choice;
    std::vector<std::string> raw;
    const ItemList list = open_->recommender().TopItems(User(user), options);
    for (const ScoredRow& row : list.items) raw.push_back(open_->data().item_raw_id(row.id));
    return raw;
  }

  TestFolder folder_;
  std::unique_ptr<OpenModel> open_;
};

// User 107 has item 200 in training and item 209, of which nothing is learned, in validation.
TEST_F(ItemChoiceTest, MasksAllOwnItemsThoseOfTrainingOrNone) {
  const ItemChoice::Options any;
  EXPECT_THAT(ListFor("107", any),
              UnorderedElementsAre("201", "202", "203", "204", "205", "206", "207"));
  const ListOptions every = {.top = 1000, .min_ratings = 0, .mask = Mask::kTrain};
  EXPECT_THAT(ListFor("107", any, every), testing::Contains("209"));
  EXPECT_THAT(ListFor("107", any, every), testing::Not(testing::Contains("200")));
  EXPECT_THAT(ListFor("107", any, {.top = 1000, .mask = Mask::kNone}), testing::Contains("200"));
}

TEST_F(ItemChoiceTest, KeepsToGenres) {
  EXPECT_THAT(ListFor("107", {.genres = {"Sci-Fi"}}),
              UnorderedElementsAre("201", "203", "205", "207"));
  EXPECT_THAT(ListFor("107", {.genres = {"Sci-Fi", "Drama"}}), testing::SizeIs(7));
}

TEST_F(ItemChoiceTest, LeavesOutWhatIsExcludedForAllOrForOne) {
  const NamedItems excluded = {.for_all = {Item("201")}, .for_users = {{User("107"), Item("202")}}};
  EXPECT_THAT(ListFor("107", {.excluded = excluded}),
              UnorderedElementsAre("203", "204", "205", "206", "207"));
  EXPECT_THAT(ListFor("100", {.excluded = excluded}),
              UnorderedElementsAre("202", "203", "204", "205", "206", "207"));
}

TEST_F(ItemChoiceTest, ListsOnlyCandidates) {
  const NamedItems for_all = {.for_all = {Item("203"), Item("204"), Item("200"), Item("209")}};
  EXPECT_THAT(ListFor("107", {.candidates = for_all}), UnorderedElementsAre("203", "204"));
  EXPECT_THAT(ListFor("107", {.excluded = {.for_all = {Item("203")}}, .candidates = for_all}),
              ElementsAre("204"));
  EXPECT_THAT(ListFor("107", {.candidates = NamedItems()}), IsEmpty());
}

// Goal: candidates of single users are sorted by the model as it sorts all items.
TEST_F(ItemChoiceTest, SortsEachUsersOwnCandidates) {
  NamedItems named;
  for (const char* item : {"206", "201", "204", "201", "200", "209"}) {
    named.for_users.push_back({User("107"), Item(item)});
  }
  named.for_users.push_back({User("100"), Item("207")});
  std::vector<std::string> expected;
  for (const std::string& raw : ListFor("107", {})) {
    if (raw == "206" || raw == "201" || raw == "204") expected.push_back(raw);
  }
  EXPECT_EQ(ListFor("107", {.candidates = named}), expected);
  EXPECT_THAT(ListFor("100", {.candidates = named}), ElementsAre("207"));
  EXPECT_THAT(ListFor("101", {.candidates = named}), IsEmpty());
  EXPECT_EQ(ListFor("107", {.candidates = named}, {.top = 1}).front(), expected.front());
  // A user of whom nothing is learned gets the own candidates by popularity.
  named.for_users.push_back({User("106"), Item("204")});
  named.for_users.push_back({User("106"), Item("202")});
  EXPECT_THAT(ListFor("106", {.candidates = named}), IsEmpty());
  EXPECT_THAT(ListFor("106", {.candidates = named}, {.top = 9, .fallback_popular = true}),
              ElementsAre("202", "204"));
  const ItemChoice choice(open_->data(), {.candidates = named});
  EXPECT_TRUE(choice.names_users());
  std::vector<RowId> users = {User("100"), User("106"), User("107")};
  std::sort(users.begin(), users.end());
  EXPECT_EQ(choice.Users(), users);
}

}  // namespace
}  // namespace cf::item_choice_test
