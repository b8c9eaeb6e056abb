// Goal: somebody whose ratings or clicks are given has the list that folding in and recommending make,
// to the bit, and what a model cannot do or a request may not ask is said. Method: snapshots of several
// kinds of models behind a real socket, beside FoldIn and Recommender of the same models.

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/exports/export.h"
#include "serving/fold_in.h"
#include "tests/unit/serving/job_snapshot.h"
#include "tests/unit/serving/server/service_fixture.h"

namespace cf::given_lists_test {
namespace {

using ::testing::HasSubstr;

constexpr char kRatings[] = "model { matrix_factorization { dim: 6 } } train { batch_size: 32 }";
constexpr char kClicks[] =
    "model { retrieval { user { dim: 5 dense { units: 4 } } item { dim: 7 dense { units: 4 } } } } "
    "train { batch_size: 64 }";

class GivenListsTest : public ServiceTest {
 protected:
  /// A snapshot of a job on the data, by the name of its run.
  std::string PathOf(const std::string& run, const std::string& job) {
    return WriteJobSnapshot(folder_.At(run), *data_, job);
  }

  /// The list that this model makes of what is given.
  static ItemList FoldedIn(const OpenModel& open, const GivenUser& user,
                           const ListOptions& options) {
    const FoldIn fold_in = FoldIn::Make(open.model(), open.catalogue()).value();
    const UserRow row = fold_in.Solve(user.All(open.catalogue())).value();
    return open.recommender().TopItems(row, user.Own(open.catalogue(), options.mask), options);
  }
  static std::vector<Listed> ListedOf(const OpenModel& open, const ItemList& list) {
    std::vector<Listed> items;
    for (const ScoredRow& row : list.items) {
      items.push_back({.item = open.data().item_raw_id(row.id),
                       .score = PredictedRating(open.model().objective(), row.score)});
    }
    return items;
  }

  /// Some items all over the table, with different ratings.
  static std::vector<GivenRating> Some(std::uint32_t seed, std::uint32_t count) {
    std::vector<GivenRating> given;
    for (std::uint32_t k = 0; k < count; ++k) {
      given.push_back({.item = RowId{(seed + 7 * k) % 90},
                       .rating = 0.5F * static_cast<float>(1 + (seed + 3 * k) % 10)});
    }
    return given;
  }
  json::array RatingsOf(const std::vector<GivenRating>& given) const {
    json::array ratings;
    for (const GivenRating& one : given) {
      ratings.push_back(json::object{{"item", open_->data().item_raw_id(one.item)},
                                     {"rating", static_cast<double>(one.rating)}});
    }
    return ratings;
  }
  json::array ClicksOf(const std::vector<GivenRating>& given) const {
    json::array clicks;
    for (const GivenRating& one : given) {
      clicks.push_back(json::string(open_->data().item_raw_id(one.item)));
    }
    return clicks;
  }
  Answer Ask(const json::object& body) {
    return Post("/v1/recommendations", json::serialize(body));
  }
  void ExpectRefused(const json::object& body, int status, const std::string& reason) {
    const Answer answer = Ask(body);
    EXPECT_EQ(answer.status, status) << json::serialize(body);
    EXPECT_THAT(answer.error(), HasSubstr(reason));
  }
};

TEST_F(GivenListsTest, RatingsHaveTheListThatFoldInMakes) {
  Start({.http = {.workers = 2}});
  for (std::uint32_t k = 0; k < 20; ++k) {
    const GivenUser user{.given = Some(k, 1 + 3 * k)};
    const Mask mask = k % 3 == 0 ? Mask::kNone : Mask::kAll;
    const Answer answer = Ask({{"ratings", RatingsOf(user.given)},
                               {"k", 5 + k},
                               {"mask", mask == Mask::kNone ? "none" : "all"}});
    ASSERT_EQ(answer.status, 200) << json::serialize(answer.body);
    EXPECT_EQ(ItemsOf(answer.body),
              ListedOf(*open_, FoldedIn(*open_, user, {.top = 5 + k, .mask = mask})));
    EXPECT_EQ(answer.body.at("source").as_string(), "fold_in");
    EXPECT_TRUE(answer.body.at("unknown_items").as_array().empty());
    EXPECT_FALSE(answer.body.as_object().contains("user"));
    EXPECT_EQ(answer.body.at("model").at("digest").as_string(), *open_->snapshot().Digest());
  }
}

TEST_F(GivenListsTest, SomebodyKnownHasTheirTrainingRatingsToo) {
  Start();
  const GivenUser known{.raw_user = RawUser(4), .user = RowId{4}, .given = Some(2, 3)};
  const json::array ratings = RatingsOf(known.given);
  for (const auto& [word, mask] :
       {std::pair("all", Mask::kAll), {"train", Mask::kTrain}, {"none", Mask::kNone}}) {
    const Answer answer =
        Ask({{"user", RawUser(4)}, {"ratings", ratings}, {"mask", word}, {"k", 90}});
    EXPECT_EQ(ItemsOf(answer.body),
              ListedOf(*open_, FoldedIn(*open_, known, {.top = 90, .mask = mask})))
        << word;
    EXPECT_EQ(answer.body.at("user").as_string(), RawUser(4));
  }
  // Whom the data set does not know is somebody new.
  const Answer unknown = Ask({{"user", "nobody"}, {"ratings", ratings}});
  EXPECT_EQ(ItemsOf(unknown.body),
            ListedOf(*open_, FoldedIn(*open_, {.given = known.given}, {.top = 10})));
  EXPECT_EQ(unknown.body.at("user").as_string(), "nobody");
}

TEST_F(GivenListsTest, ClicksHaveTheListThatFoldInMakes) {
  int number = 0;
  for (const std::string& job :
       {std::string(kClicks),
        std::string("model { matrix_factorization { dim: 6 mean: false link: SIGMOID loss: BCE "
                    "negatives: 4 } }")}) {
    const std::string path = PathOf("clicks" + std::to_string(number++), job);
    const auto open = OpenModel::Open({.snapshot = path}).value();
    Start({.paths = {.model = {.snapshot = path}}});
    const GivenUser user{.given = Some(3, 8)};
    const std::vector<Listed> expected = ListedOf(*open, FoldedIn(*open, user, {.top = 10}));
    EXPECT_EQ(ItemsOf(Ask({{"clicks", ClicksOf(user.given)}}).body), expected) << job;
    // Of a model of clicks a rating is one.
    EXPECT_EQ(ItemsOf(Ask({{"ratings", RatingsOf(user.given)}}).body), expected) << job;
    EXPECT_EQ(Get("/v1/model").body.at("given").as_string(), "clicks");
    EXPECT_FALSE(Get("/v1/model").body.as_object().contains("rating_min"));
  }
}

TEST_F(GivenListsTest, CandidatesExclusionsGenresAndVarietyBoundTheirLists) {
  Start();
  const GivenUser user{.given = Some(5, 6)};
  const json::array ratings = RatingsOf(user.given);
  ItemChoice::Options rules{.candidates = NamedItems()};
  json::array candidates = {"x"};
  for (std::uint32_t k = 0; k < 40; ++k) {
    rules.candidates->for_all.push_back(RowId{2 * k});
    candidates.push_back(json::string(RawItem(2 * k)));
  }
  rules.excluded.for_all = {RowId{8}, RowId{10}};
  const ItemChoice choice(open_->data(), rules);
  json::object body = {
      {"ratings", ratings}, {"candidates", candidates}, {"exclude", {RawItem(8), RawItem(10), "y"}},
      {"genre", "drama"},   {"diversity", 0.4},         {"k", 4}};
  body["ratings"].as_array().push_back(json::object{{"item", "z"}, {"rating", 3}});
  const ListOptions options = {.top = 4, .choice = &choice, .diversity = {.strength = 0.4}};
  const Answer answer = Ask(body);
  EXPECT_EQ(ItemsOf(answer.body), ListedOf(*open_, FoldedIn(*open_, user, options)));
  EXPECT_EQ(json::serialize(answer.body.at("unknown_items")), R"(["z","y","x"])");
}

TEST_F(GivenListsTest, ListsAreAsVariedAsIsAskedFor) {
  Start({.http = {.workers = 1}});
  const std::vector<std::pair<std::string, DiversityOptions>> asked = {
      {"", {}},
      {"&diversity=0", {}},
      {"&diversity=0.5", {.strength = 0.5}},
      {"&diversity=1e0", {.strength = 1}},
      {"&diversity=.5&alike_by=vectors", {.strength = 0.5, .likeness = LikenessOf::kVectors}},
      {"&genre_cap=3", {.genre_cap = 3}},
      {"&diversity=0.5&genre_cap=4", {.strength = 0.5, .genre_cap = 4}}};
  // Waiting together, they are answered each for itself.
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (std::uint32_t k = 0; k < 70; ++k) {
    clients.push_back(std::make_unique<HttpClient>(service_->port()));
    clients.back()->Send(RequestText(
        "GET", "/v1/users/" + RawUser(k % 60) + "/recommendations?k=6" + asked[k % 7].first));
  }
  std::set<std::vector<std::string>> lists;
  for (std::uint32_t k = 0; k < 70; ++k) {
    const auto answer = clients[k]->Receive();
    ASSERT_TRUE(answer.has_value());
    const ListOptions options = {.top = 6, .diversity = asked[k % 7].second};
    EXPECT_EQ(ItemsOf(json::parse(answer->body)), Expected(*open_, RowId{k % 60}, options))
        << asked[k % 7].first;
  }
  const Answer many =
      Ask({{"users", {RawUser(3), RawUser(4)}}, {"diversity", 0.9}, {"alike_by", "vectors"}});
  for (const std::uint32_t k : {0U, 1U}) {
    EXPECT_EQ(ItemsOf(many.body.at("lists").at(k)),
              Expected(*open_, RowId{3 + k},
                       {.diversity = {.strength = 0.9, .likeness = LikenessOf::kVectors}}));
  }
  // All items have the same genres, by which no list is varied.
  EXPECT_NE(ItemsOf(many.body.at("lists").at(0)), Expected(*open_, RowId{3}, {}));
}

TEST_F(GivenListsTest, ItemsNameTheLikedOnesThatAreNearest) {
  Start();
  // Of a list, whose reasons are the nearest of `liked`.
  const auto expect_reasons = [&](const json::value& list, const std::vector<RowId>& liked) {
    std::size_t named = 0;
    for (const json::value& item : list.at("items").as_array()) {
      const RowId id = *open_->data().FindItem(std::string(item.at("item").as_string()));
      std::vector<ScoredRow> nearest;
      const auto similar = open_->recommender().SimilarItems(id, {.top = 90}).value();
      for (const ScoredRow& near : similar) {
        if (near.score > 0 && std::ranges::binary_search(liked, near.id)) nearest.push_back(near);
      }
      nearest.resize(std::min<std::size_t>(nearest.size(), 2));
      const json::array& because = item.at("because").as_array();
      ASSERT_EQ(because.size(), nearest.size());
      for (std::size_t k = 0; k < nearest.size(); ++k, ++named) {
        EXPECT_EQ(because[k].at("item").as_string(), open_->data().item_raw_id(nearest[k].id));
        EXPECT_EQ(because[k].at("title").as_string(), open_->data().title(nearest[k].id));
        EXPECT_EQ(static_cast<float>(because[k].at("similarity").to_number<double>()),
                  nearest[k].score);
      }
    }
    EXPECT_GT(named, 5U);
  };
  // What is at least its mean, in a way of the test's own.
  const auto liked = [](std::vector<GivenRating> given) {
    double mean = 0;
    for (const GivenRating& one : given) mean += static_cast<double>(one.rating);
    mean /= static_cast<double>(given.size());
    std::vector<RowId> items;
    for (const GivenRating& one : given) {
      if (static_cast<double>(one.rating) >= mean) items.push_back(one.item);
    }
    std::ranges::sort(items);
    return items;
  };
  const std::vector<GivenRating> given = Some(3, 12);
  expect_reasons(Ask({{"ratings", RatingsOf(given)}, {"because", 2}}).body, liked(given));
  expect_reasons(Get("/v1/users/" + RawUser(4) + "/recommendations?because=2&mask=none").body,
                 liked(GivenWithTraining(open_->catalogue(), RowId{4}, {})));
  expect_reasons(Ask({{"users", {RawUser(5)}}, {"because", 2}}).body.at("lists").at(0),
                 liked(GivenWithTraining(open_->catalogue(), RowId{5}, {})));
  // Nobody asked, or the list is of popularity.
  for (const char* query : {"", "?because=0"}) {
    const Answer without = Get("/v1/users/" + RawUser(4) + "/recommendations" + query);
    EXPECT_FALSE(without.body.at("items").at(0).as_object().contains("because"));
  }
  const Answer popular = Get("/v1/users/nobody/recommendations?because=2&fallback=popular");
  EXPECT_FALSE(popular.body.at("items").at(0).as_object().contains("because"));
}

TEST_F(GivenListsTest, WhatMayNotBeAskedIsSaid) {
  Start();
  const json::array ratings = RatingsOf(Some(1, 2));
  const json::array one = {json::object{{"item", RawItem(0)}, {"rating", 5.5}}};
  ExpectRefused({{"ratings", one}}, 400,
                "the rating 5.5 of item " + RawItem(0) + " is not between 0.5 and 5");
  for (const json::value& bad : {json::value("good"), json::value("1e999"), json::value("nan"),
                                 json::value(true), json::value(" 3"), json::value("0x3")}) {
    ExpectRefused({{"ratings", {json::object{{"item", RawItem(0)}, {"rating", bad}}}}}, 400,
                  "is no number");
  }
  ExpectRefused({{"ratings", json::array()}}, 400, "'ratings' is a list of 1 to 10000");
  ExpectRefused({{"ratings", {"1"}}}, 400, "'ratings' is a list of objects with item and rating");
  ExpectRefused({{"ratings", {json::object{{"item", "1"}}}}}, 400, "objects with item and rating");
  ExpectRefused({{"clicks", json::array()}}, 400, "'clicks' is a list of 1 to 10000");
  ExpectRefused({{"clicks", {json::object{{"item", "1"}}}}}, 400, "'clicks' is a list of texts");
  ExpectRefused({{"clicks", {RawItem(0)}}}, 409, "learns from ratings");
  for (json::object body : {json::object{{"ratings", ratings}, {"clicks", {"1"}}},
                            json::object{{"ratings", ratings}, {"users", {"1"}}},
                            json::object{{"user", "1"}}, json::object()}) {
    ExpectRefused(body, 400, "one of 'users', 'ratings' and 'clicks'");
  }
  ExpectRefused({{"users", {RawUser(0)}}, {"user", "1"}}, 400, "'user' says whose");
  ExpectRefused({{"ratings", ratings}, {"user", {"1", "2"}}}, 400, "'user' is given 2 times");
  ExpectRefused({{"ratings", ratings}, {"genre", "Opera"}}, 400, "Opera");
  ExpectRefused({{"ratings", ratings}, {"diversity", 1.5}}, 400,
                "'diversity' is a number from 0 to 1");
  json::array users;
  for (int k = 0; k < 101; ++k) users.push_back(json::string(RawUser(0)));
  EXPECT_EQ(Ask({{"users", users}, {"k", 1}}).status, 200);
  ExpectRefused({{"users", users}, {"k", 1}, {"because", 1}}, 400, "1 to 100 users");
  const std::map<std::string, std::string> reasons = {
      {"diversity=-0.1", "'diversity' is a number from 0 to 1"},
      {"diversity=nan", "'diversity' is a number"},
      {"diversity=", "'diversity'"},
      {"diversity=0.3&diversity=0.4", "2 times"},
      {"diversity=0.3&alike_by=colours", "'alike_by' is vectors or genres"},
      {"alike_by=genres", "'alike_by' says nothing without 'diversity'"},
      {"genre_cap=0", "'genre_cap' is a whole number from 1"},
      {"because=6", "'because' is a whole number from 0 to 5"},
      {"because=1&k=101", "'k' is at most 100 with diversity, genre_cap or because"},
      {"genre_cap=2&k=101", "'k' is at most 100"},
  };
  for (const auto& [query, reason] : reasons) {
    const Answer answer = Get("/v1/users/" + RawUser(0) + "/recommendations?" + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_THAT(answer.error(), HasSubstr(reason));
  }
}

TEST_F(GivenListsTest, AListRestsOnSomething) {
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  Start({.paths = {.model = {.snapshot = cold}}});
  // Of the items 208 and 209 there is no training sample, and nobody knows x.
  const auto given = [](const char* item) {
    return json::object{{"ratings", {json::object{{"item", item}, {"rating", 4}}}}};
  };
  for (const char* item : {"208", "209", "x"}) {
    ExpectRefused(given(item), 404, "fallback=popular");
    json::object body = given(item);
    body["fallback"] = "popular";
    const Answer popular = Ask(body);
    EXPECT_EQ(popular.status, 200) << item;
    EXPECT_EQ(popular.body.at("source").as_string(), "popular");
    EXPECT_EQ(ItemsOf(popular.body).at(0).item, "200");
    // User 106 has rated the most rated item, though not in training.
    body["user"] = "106";
    EXPECT_EQ(ItemsOf(Ask(body).body).at(0).item, "201");
  }
  EXPECT_EQ(Ask(given("203")).body.at("source").as_string(), "fold_in");
  json::object of_somebody = given("208");
  of_somebody["user"] = "100";
  EXPECT_EQ(Ask(of_somebody).body.at("source").as_string(), "fold_in");
}

TEST_F(GivenListsTest, ModelsThatCannotFoldInSayWhy) {
  const std::string large =
      PathOf("large", "model { matrix_factorization { dim: 1025 } } train { batch_size: 32 }");
  Start({.paths = {.model = {.snapshot = large}}});
  ExpectRefused({{"ratings", RatingsOf(Some(1, 2))}}, 409, "too long to fold anybody in");
  EXPECT_FALSE(Get("/v1/model").body.at("fold_in").as_bool());
  EXPECT_EQ(Get("/v1/users/" + RawUser(0) + "/recommendations").status, 200);
}

TEST_F(GivenListsTest, AModelOfCountsAnswersAllAlike) {
  Start({.paths = {.model = {.snapshot = PathOf("counts", "model { popularity {} }")}}});
  const Answer answer =
      Ask({{"ratings", RatingsOf(Some(80, 1))}, {"k", 5}, {"because", 3}, {"mask", "none"}});
  ASSERT_EQ(answer.status, 200) << answer.error();
  EXPECT_EQ(answer.body.at("source").as_string(), "popular");
  // The test's weights give users biases, which move all scores alike.
  const std::vector<Listed> of_known =
      ItemsOf(Get("/v1/users/" + RawUser(0) + "/recommendations?k=5&mask=none").body);
  EXPECT_TRUE(std::ranges::equal(ItemsOf(answer.body), of_known, {}, &Listed::item, &Listed::item));
  EXPECT_FALSE(answer.body.at("items").at(0).as_object().contains("because"));
  EXPECT_FALSE(Get("/v1/model").body.at("similar").as_bool());
}

// Goal: each of two models folds in for itself. Method: a retrieval of clicks that proposes to a
// factorisation of ratings, in the test's own steps.
TEST_F(GivenListsTest, TheModelThatRanksFoldsInToo) {
  const std::string clicks = PathOf("clicks", kClicks);
  const std::string ratings = PathOf("ratings", kRatings);
  const auto first = OpenModel::Open({.snapshot = clicks}).value();
  const auto ranker = OpenModel::Open({.snapshot = ratings}).value();
  Start({.paths = {.model = {.snapshot = clicks}, .rank = {.snapshot = ratings}},
         .limits = {.proposed = 15}});
  const FoldIn fold_in = FoldIn::Make(ranker->model(), ranker->catalogue()).value();
  for (const double strength : {0.0, 0.6}) {
    const GivenUser user{.given = Some(6, 7)};
    const ItemList proposed = FoldedIn(*first, user, {.top = 15});
    const UserRow row = fold_in.Solve(user.given).value();
    ServedModel::Workspace workspace = ranker->model().MakeWorkspace();
    std::vector<ScoredRow> expected = proposed.items;
    for (ScoredRow& item : expected) {
      ranker->model().ScoreItems(row, item.id, workspace, std::span(&item.score, 1));
    }
    std::ranges::sort(expected, RanksBefore);
    expected = Diversify(ranker->model(), ranker->catalogue(), expected, 6, {.strength = strength});
    const Answer answer =
        Ask({{"ratings", RatingsOf(user.given)}, {"k", 6}, {"diversity", strength}});
    ASSERT_EQ(answer.status, 200) << answer.error();
    EXPECT_EQ(ItemsOf(answer.body),
              ListedOf(*ranker, {.source = Source::kFoldIn, .items = expected}));
    EXPECT_EQ(answer.body.at("source").as_string(), "fold_in");
  }
  ExpectRefused({{"clicks", {RawItem(0)}}}, 409, "learns from ratings");
  const json::value info = Get("/v1/model").body;
  EXPECT_EQ(info.at("given").as_string(), "ratings");
  EXPECT_EQ(info.at("rating_max").to_number<double>(), 5);
  EXPECT_TRUE(info.at("model").as_object().contains("rank"));
  // Known users' lists are made different by the one that ranks, too.
  std::vector<ScoredRow> of_user = first->recommender().TopItems(RowId{3}, {.top = 15}).items;
  for (ScoredRow& item : of_user) item.score = ranker->model().RawScore(RowId{3}, item.id);
  std::ranges::sort(of_user, RanksBefore);
  of_user = Diversify(ranker->model(), ranker->catalogue(), of_user, 6, {.strength = 0.6});
  const Answer known = Get("/v1/users/" + RawUser(3) + "/recommendations?k=6&diversity=0.6");
  EXPECT_EQ(ItemsOf(known.body), ListedOf(*ranker, {.source = Source::kModel, .items = of_user}));
}

TEST_F(GivenListsTest, AnExportAnswersAsItsSnapshotDoes) {
  const ExportSubject subject{open_->snapshot(), open_->model(), open_->catalogue()};
  ASSERT_TRUE(WriteExport(subject, {.folder = folder_.At("export"), .overwrite = false}).ok());
  Start();
  const auto exported =
      ModelService::Start({.paths = {.model = {.snapshot = folder_.At("export")}}}).value();
  HttpClient of_export(exported->port());
  for (std::uint32_t k = 0; k < 5; ++k) {
    const std::string body = json::serialize(json::object{{"user", RawUser(k)},
                                                          {"ratings", RatingsOf(Some(k, 9))},
                                                          {"diversity", 0.3},
                                                          {"because", 3}});
    const HttpAnswer expected = client_->Post("/v1/recommendations", body);
    EXPECT_EQ(expected.status, 200);
    EXPECT_EQ(of_export.Post("/v1/recommendations", body).body, expected.body);
  }
  for (const std::string& target :
       {std::string("/v1/model"), "/v1/users/" + RawUser(3) + "/ratings"}) {
    EXPECT_EQ(of_export.Get(target).body, client_->Get(target).body);
  }
}

}  // namespace
}  // namespace cf::given_lists_test
