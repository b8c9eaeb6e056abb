// Goal: what the service answers is what the model says, under any load and any swap, and what is
// wrong with a request is said. Method: a snapshot behind a real socket, beside the same model.

#include "serving/server/service.h"

#include <atomic>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/exports/export.h"
#include "tests/unit/serving/server/service_fixture.h"

namespace cf::service_test {
namespace {

using ::testing::HasSubstr;

TEST_F(ServiceTest, EveryUsersListIsTheModels) {
  Start({.http = {.workers = 2}});
  for (std::uint32_t user = 0; user < data_->users(); ++user) {
    const Answer answer = Get("/v1/users/" + RawUser(user) + "/recommendations?k=7");
    ASSERT_EQ(answer.status, 200);
    EXPECT_EQ(ItemsOf(answer.body), Expected(*open_, RowId{user}, {.top = 7}));
    EXPECT_EQ(answer.body.at("user").as_string(), RawUser(user));
    EXPECT_EQ(answer.body.at("source").as_string(), "model");
    EXPECT_EQ(answer.body.at("model").at("digest").as_string(), *open_->snapshot().Digest());
    EXPECT_EQ(answer.body.at("model").at("version").as_string(),
              open_->snapshot().manifest().name());
  }
}

TEST_F(ServiceTest, RequestsThatWaitTogetherAreAnsweredEachForItself) {
  Start({.http = {.workers = 1}});
  std::vector<ListOptions> asked;
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (std::uint32_t k = 0; k < 300; ++k) {
    asked.push_back({.top = 1 + k % 5, .mask = k % 3 == 0 ? Mask::kNone : Mask::kAll});
    clients.push_back(std::make_unique<HttpClient>(service_->port()));
  }
  for (std::uint32_t k = 0; k < 300; ++k) {
    const std::string target = "/v1/users/" + RawUser(k % data_->users()) +
                               "/recommendations?k=" + std::to_string(asked[k].top) +
                               (k % 3 == 0 ? "&mask=none" : "");
    clients[k]->Send(RequestText("GET", target));
  }
  for (std::uint32_t k = 0; k < 300; ++k) {
    const auto answer = clients[k]->Receive();
    ASSERT_TRUE(answer.has_value());
    EXPECT_EQ(ItemsOf(json::parse(answer->body)),
              Expected(*open_, RowId{k % data_->users()}, asked[k]));
  }
}

TEST_F(ServiceTest, MasksGenresAndFallbacksAreTheModels) {
  Start();
  const std::string user = "/v1/users/" + RawUser(3) + "/recommendations";
  EXPECT_EQ(ItemsOf(Get(user + "?mask=none&k=90").body),
            Expected(*open_, RowId{3}, {.top = 90, .mask = Mask::kNone}));
  EXPECT_EQ(ItemsOf(Get(user + "?mask=train&k=90").body),
            Expected(*open_, RowId{3}, {.top = 90, .mask = Mask::kTrain}));
  EXPECT_EQ(ItemsOf(Get(user + "?genre=drama&genre=Action").body), Expected(*open_, RowId{3}, {}));
  EXPECT_EQ(Get("/v1/users/nobody/recommendations").status, 404);
  const Answer popular = Get("/v1/users/no%2Fbody/recommendations?fallback=popular&k=3");
  EXPECT_EQ(popular.status, 200);
  EXPECT_EQ(popular.body.at("user").as_string(), "no/body");
  EXPECT_EQ(popular.body.at("source").as_string(), "popular");
  EXPECT_EQ(ItemsOf(popular.body).size(), 3U);
}

TEST_F(ServiceTest, WhatIsWrongIsSaid) {
  Start();
  const std::string user = "/v1/users/" + RawUser(0) + "/recommendations?";
  const std::map<std::string, std::string> reasons = {
      {"k=0", "'k' is a whole number from 1 to 1000"},
      {"k=1001", "'k' is a whole number"},
      {"k=", "'k'"},
      {"k=1&k=2", "2 times"},
      {"mask=some", "'mask' is all or train or none"},
      {"genre=Opera", "Opera"},
      {"fallback=random", "'fallback' is popular"},
      {"top=3", "there is no 'top' here"},
  };
  for (const auto& [query, reason] : reasons) {
    const Answer answer = Get(user + query);
    EXPECT_EQ(answer.status, 400) << query;
    EXPECT_THAT(answer.error(), HasSubstr(reason));
  }
  EXPECT_EQ(Get("/v1/users/%00/recommendations").status, 400);
  EXPECT_EQ(Get("/v1/users//recommendations").status, 404);
  EXPECT_EQ(Get("/v1/items").status, 400);
  EXPECT_EQ(Get("/v1/items?query=" + std::string(201, 'x')).status, 400);
  EXPECT_EQ(Get("/v1/items/nothing/similar").status, 404);
  EXPECT_EQ(Get("/v1/items/nothing/users").status, 404);
  EXPECT_EQ(Get("/v1/users/nobody/similar").status, 404);
  for (const char* body :
       {"", "{}", "[]", "{\"users\":[]}", "{\"users\":[\"\"]}", "{\"users\":[\"1\"],\"k\":0}",
        "{\"users\":{\"a\":1}}", "{\"users\":[\"1\"],\"top\":5}",
        "{\"users\":[\"1\"],\"genre\":\"x\"}", "{\"users\":[\"1\"],\"candidates\":[{}]}",
        "{\"users\":[\"1\"]", "nonsense"}) {
    EXPECT_EQ(Post("/v1/recommendations", body).status, 400) << body;
  }
  for (const char* body : {"{}", "{\"pairs\":[]}", "{\"pairs\":[{\"user\":\"1\"}]}",
                           "{\"pairs\":[{\"user\":\"1\",\"item\":\"2\"}],\"fallback\":1}"}) {
    EXPECT_EQ(Post("/v1/predict", body).status, 400) << body;
  }
}

TEST_F(ServiceTest, ManyUsersHaveTheirListsInOrder) {
  Start();
  json::array users;
  for (std::uint32_t user = 0; user < 60; ++user) users.push_back(json::string(RawUser(59 - user)));
  users.push_back("nobody");
  for (std::uint32_t user = 0; user < 30; ++user) users.push_back(json::string(RawUser(user)));
  const Answer answer =
      Post("/v1/recommendations", json::serialize(json::object{{"users", users}, {"k", 5}}));
  ASSERT_EQ(answer.status, 200);
  const json::array& lists = answer.body.at("lists").as_array();
  ASSERT_EQ(lists.size(), 91U);
  for (std::uint32_t user = 0; user < 60; ++user) {
    EXPECT_EQ(ItemsOf(lists[user]), Expected(*open_, RowId{59 - user}, {.top = 5}));
  }
  EXPECT_EQ(lists[60].at("source").as_string(), "none");
  EXPECT_THAT(std::string(lists[60].at("error").as_string()), HasSubstr("no user 'nobody'"));
  EXPECT_EQ(ItemsOf(lists[61]), Expected(*open_, RowId{0}, {.top = 5}));
}

TEST_F(ServiceTest, CandidatesAndExclusionsBoundLists) {
  Start();
  const std::string rules = R"("candidates":[")" + RawItem(1) + R"(",")" + RawItem(2) + R"(",")" +
                            RawItem(5) + R"(","x"],"exclude":[")" + RawItem(2) +
                            R"(","y"],"mask":"none","genre":["Drama"])";
  const Answer answer =
      Post("/v1/recommendations", R"({"users":[")" + RawUser(0) + R"("],)" + rules + "}");
  ASSERT_EQ(answer.status, 200);
  std::set<std::string> listed;
  for (const Listed& item : ItemsOf(answer.body.at("lists").at(0))) listed.insert(item.item);
  EXPECT_EQ(listed, (std::set<std::string>{RawItem(1), RawItem(5)}));
  EXPECT_EQ(json::serialize(answer.body.at("unknown_items")), R"(["y","x"])");
  const Answer popular =
      Post("/v1/recommendations", R"({"users":["nobody"],"fallback":"popular",)" + rules + "}");
  EXPECT_EQ(popular.body.at("lists").at(0).at("source").as_string(), "popular");
  EXPECT_EQ(ItemsOf(popular.body.at("lists").at(0)).size(), 2U);
}

TEST_F(ServiceTest, PredictionsAreTheModels) {
  Start();
  const Answer answer =
      Post("/v1/predict", R"({"pairs":[{"user":")" + RawUser(4) + R"(","item":")" + RawItem(6) +
                              R"("},{"user":"nobody","item":")" + RawItem(6) + R"("}]})");
  ASSERT_EQ(answer.status, 200);
  const json::value& known = answer.body.at("predictions").at(0);
  EXPECT_EQ(static_cast<float>(known.at("score").to_number<double>()),
            open_->model().Predict(RowId{4}, RowId{6}));
  EXPECT_EQ(known.at("source").as_string(), "model");
  EXPECT_TRUE(answer.body.at("predictions").at(1).at("score").is_null());
  const Answer fallback =
      Post("/v1/predict",
           R"({"fallback":"popular","pairs":[{"user":"nobody","item":")" + RawItem(6) + R"("}]})");
  EXPECT_EQ(fallback.body.at("predictions").at(0).at("source").as_string(), "item_mean");
}

TEST_F(ServiceTest, SimilarOnesUsersAndTitlesAreTheModels) {
  Start();
  const Answer similar = Get("/v1/items/" + RawItem(3) + "/similar?k=2");
  ASSERT_EQ(similar.status, 200);
  EXPECT_EQ(ItemsOf(similar.body).at(0).item, RawItem(4));  // Their vectors are equal.
  const auto users = open_->recommender().SimilarUsers(RowId{2}, 3).value();
  const Answer alike = Get("/v1/users/" + RawUser(2) + "/similar?k=3");
  ASSERT_EQ(alike.body.at("users").as_array().size(), 3U);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_EQ(alike.body.at("users").at(k).at("user").as_string(),
              open_->data().user_raw_id(users[k].id));
  }
  const auto targets = open_->recommender().TopUsers(RowId{17}, {.top = 4});
  const Answer of_item = Get("/v1/items/" + RawItem(17) + "/users?k=4");
  ASSERT_EQ(of_item.body.at("users").as_array().size(), targets.size());
  EXPECT_EQ(of_item.body.at("users").at(0).at("user").as_string(),
            open_->data().user_raw_id(targets[0].id));
  const Answer found = Get("/v1/items?query=standstill");
  ASSERT_EQ(found.body.at("items").as_array().size(), 1U);
  EXPECT_EQ(found.body.at("items").at(0).at("title").as_string(),
            "Motion (a.k.a. Standstill) (1994)");
  EXPECT_EQ(json::serialize(found.body.at("items").at(0).at("genres")), R"(["Action","Drama"])");
}

TEST_F(ServiceTest, ItTellsHowItIs) {
  Start({.http = {.token = "t"}, .access_log = folder_.At("access.log")});
  EXPECT_EQ(client_->Get("/healthz").body, "ok\n");
  EXPECT_EQ(client_->Get("/readyz").status, 200);
  EXPECT_EQ(client_->Get("/metrics").status, 401);
  client_->Send(RequestText("GET", "/metrics", "", "Authorization: Bearer t\r\n"));
  const std::string metrics = client_->Receive()->body;
  EXPECT_THAT(metrics, HasSubstr("cf_model_info{digest=\"" + *open_->snapshot().Digest() + "\""));
  EXPECT_THAT(metrics, HasSubstr("cf_ready 1\n"));
  EXPECT_THAT(metrics,
              HasSubstr("cf_http_request_seconds_bucket{route=\"/healthz\",le=\"+Inf\"} 1\n"));
  service_->BeginEnd();
  HttpAnswer answer;
  while ((answer = HttpClient(service_->port()).Get("/readyz")).status == 200) {
  }
  EXPECT_EQ(answer.status, 503);
  EXPECT_TRUE(service_->Drain(std::chrono::seconds(20)));
  service_.reset();
  const std::string log = *ReadFile(folder_.At("access.log"));
  EXPECT_THAT(log, HasSubstr(" 127.0.0.1 GET /healthz 200 3 "));
  EXPECT_THAT(log, HasSubstr(" GET /metrics 401 "));
}

TEST_F(ServiceTest, EachAnswerIsOfTheModelThatItNamesWhileModelsAreSwapped) {
  // The same data, other weights.
  const std::string other = WriteTestSnapshot(folder_.At("other"), *data_, {.dim = 7});
  const std::string link = folder_.At("link");
  std::filesystem::create_directory_symlink(folder_.At("run"), link);
  std::map<std::string, std::unique_ptr<OpenModel>> models;
  for (const std::string& path : {path_, other}) {
    auto open = OpenModel::Open({.snapshot = path}).value();
    models.emplace(*open->snapshot().Digest(), std::move(open));
  }
  ASSERT_EQ(models.size(), 2U);
  Start({.paths = {.model = {.snapshot = link + "/snapshots/best"}}, .http = {.workers = 2}});
  EXPECT_FALSE(service_->keeper().HasMoved());
  std::atomic<bool> done = false;
  std::atomic<int> answers = 0;
  std::map<std::string, int> named[3];
  std::vector<std::jthread> askers;
  for (std::uint32_t asker = 0; asker < 3; ++asker) {
    askers.emplace_back([&, asker] {
      HttpClient client(service_->port());
      for (std::uint32_t k = asker; !done; ++k) {
        const RowId user{k % data_->users()};
        const auto body = json::parse(
            client.Get("/v1/users/" + RawUser(k % data_->users()) + "/recommendations").body);
        const std::string digest(body.at("model").at("digest").as_string());
        ASSERT_TRUE(models.contains(digest));
        ASSERT_EQ(ItemsOf(body), Expected(*models.at(digest), user, {}));
        ++named[asker][digest];
        ++answers;
      }
    });
  }
  for (int swap = 0; swap < 20; ++swap) {
    const int before = answers;
    while (answers < before + 20) std::this_thread::yield();
    std::filesystem::create_directory_symlink(folder_.At(swap % 2 == 0 ? "other" : "run"),
                                              link + ".new");
    std::filesystem::rename(link + ".new", link);
    EXPECT_TRUE(service_->keeper().HasMoved());
    ASSERT_TRUE(service_->keeper().Open().ok());
    EXPECT_FALSE(service_->keeper().HasMoved());
  }
  done = true;
  askers.clear();
  std::set<std::string> digests;
  for (const auto& of_asker : named) {
    for (const auto& [digest, count] : of_asker) digests.insert(digest);
  }
  EXPECT_EQ(digests.size(), 2U);
  EXPECT_EQ(service_->keeper().opened(), 21U);
}

TEST_F(ServiceTest, ASecondModelRanksWhatTheFirstProposes) {
  const std::string other = WriteTestSnapshot(folder_.At("other"), *data_, {.dim = 7});
  const auto ranker = OpenModel::Open({.snapshot = other}).value();
  Start({.paths = {.model = {.snapshot = path_}, .rank = {.snapshot = other}},
         .limits = {.proposed = 12}});
  for (std::uint32_t user = 0; user < data_->users(); ++user) {
    std::vector<ScoredRow> expected = open_->recommender().TopItems(RowId{user}, {.top = 12}).items;
    for (ScoredRow& row : expected) row.score = ranker->model().Predict(RowId{user}, row.id);
    std::sort(expected.begin(), expected.end(), RanksBefore);
    const Answer answer = Get("/v1/users/" + RawUser(user) + "/recommendations?k=5");
    const std::vector<Listed> items = ItemsOf(answer.body);
    ASSERT_EQ(items.size(), 5U);
    for (std::size_t k = 0; k < items.size(); ++k) {
      EXPECT_EQ(items[k].item, open_->data().item_raw_id(expected[k].id));
      EXPECT_EQ(items[k].score, expected[k].score);
    }
    EXPECT_EQ(answer.body.at("model").at("digest").as_string(), *open_->snapshot().Digest());
    EXPECT_EQ(answer.body.at("model").at("rank").at("digest").as_string(),
              *ranker->snapshot().Digest());
  }
  const Answer long_list = Get("/v1/users/" + RawUser(0) + "/recommendations?k=30");
  EXPECT_EQ(ItemsOf(long_list.body).size(), 30U);
  const Answer popular = Get("/v1/users/nobody/recommendations?k=3&fallback=popular");
  EXPECT_EQ(popular.body.at("source").as_string(), "popular");
  EXPECT_EQ(ItemsOf(popular.body).size(), 3U);
  const Answer predicted = Post("/v1/predict", R"({"pairs":[{"user":")" + RawUser(4) +
                                                   R"(","item":")" + RawItem(6) + R"("}]})");
  EXPECT_EQ(
      static_cast<float>(predicted.body.at("predictions").at(0).at("score").to_number<double>()),
      ranker->model().Predict(RowId{4}, RowId{6}));
}

TEST_F(ServiceTest, AModelOfOtherDataRanksNothing) {
  const std::string cold = WriteColdSnapshot(folder_.At("cold"));
  const auto service =
      ModelService::Start({.paths = {.model = {.snapshot = path_}, .rank = {.snapshot = cold}}});
  EXPECT_EQ(service.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(service.status().message()), HasSubstr("another data set"));
}

TEST_F(ServiceTest, AnExportAnswersAsItsSnapshotDoes) {
  const std::string folder = folder_.At("export");
  const ExportSubject subject{open_->snapshot(), open_->model(), open_->catalogue()};
  ASSERT_TRUE(WriteExport(subject, {.folder = folder, .overwrite = false}).ok());
  Start();
  const std::unique_ptr<ModelService> exported =
      ModelService::Start({.paths = {.model = {.snapshot = folder}}}).value();
  HttpClient of_export(exported->port());
  for (std::uint32_t user = 0; user < data_->users(); ++user) {
    const std::string target = "/v1/users/" + RawUser(user) + "/recommendations?mask=train&k=20";
    EXPECT_EQ(of_export.Get(target).body, client_->Get(target).body);
  }
  for (const std::string& target :
       {std::string("/v1/items?query=film"), "/v1/items/" + RawItem(3) + "/similar",
        "/v1/users/" + RawUser(3) + "/similar", "/v1/items/" + RawItem(3) + "/users",
        std::string("/v1/users/nobody/recommendations?fallback=popular&genre=Drama"),
        std::string("/v1/users/nobody/recommendations")}) {
    const HttpAnswer answer = of_export.Get(target);
    const HttpAnswer expected = client_->Get(target);
    EXPECT_EQ(answer.status, expected.status) << target;
    EXPECT_EQ(answer.body, expected.body) << target;
  }
  // Another export in its place is another model.
  EXPECT_FALSE(exported->keeper().HasMoved());
  ASSERT_TRUE(WriteExport(subject, {.folder = folder, .overwrite = true}).ok());
  EXPECT_TRUE(exported->keeper().HasMoved());
  ASSERT_TRUE(exported->keeper().Open().ok());
}

TEST_F(ServiceTest, WhereANewModelCannotBeOpenedTheOldOneGoesOn) {
  const std::string link = folder_.At("link");
  std::filesystem::create_directory_symlink(folder_.At("run"), link);
  Start({.paths = {.model = {.snapshot = link + "/snapshots/best"}}});
  std::filesystem::remove(link);
  EXPECT_TRUE(service_->keeper().HasMoved());
  EXPECT_FALSE(service_->keeper().Open().ok());
  EXPECT_FALSE(service_->keeper().HasMoved());
  EXPECT_EQ(service_->keeper().failed(), 1U);
  EXPECT_EQ(Get("/v1/users/" + RawUser(0) + "/recommendations").status, 200);
}

}  // namespace
}  // namespace cf::service_test
