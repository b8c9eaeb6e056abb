// Goal: what is told of the model and of its users is true of them. Method: snapshots behind a real
// socket, beside the same models.

#include "serving/server/model_endpoints.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/serving/job_snapshot.h"
#include "tests/unit/serving/server/service_fixture.h"

namespace cf::model_endpoints_test {
namespace {

using ::testing::HasSubstr;

class ModelEndpointsTest : public ServiceTest {};

TEST_F(ModelEndpointsTest, ItTellsWhatTheModelIs) {
  Start();
  const Answer answer = Get("/v1/model");
  EXPECT_EQ(json::serialize(answer.body.at("data")), R"({"name":"toy","users":60,"items":90})");
  EXPECT_EQ(json::serialize(answer.body.at("genres")), R"(["Action","Drama"])");
  EXPECT_EQ(answer.body.at("given").as_string(), "ratings");
  EXPECT_EQ(answer.body.at("rating_min").to_number<double>(), 0.5);
  EXPECT_EQ(answer.body.at("rating_max").to_number<double>(), 5);
  EXPECT_TRUE(answer.body.at("similar").as_bool());
  EXPECT_TRUE(answer.body.at("fold_in").as_bool());
  EXPECT_EQ(Get("/v1/model?k=3").status, 400);
}

TEST_F(ModelEndpointsTest, WhatAUserGaveInTrainingIsListed) {
  Start();
  std::vector<GivenRating> given = GivenWithTraining(open_->catalogue(), RowId{4}, {});
  const Answer answer = Get("/v1/users/" + RawUser(4) + "/ratings?k=1000");
  ASSERT_EQ(answer.body.at("items").as_array().size(), given.size());
  EXPECT_EQ(answer.body.at("total").to_number<std::size_t>(), given.size());
  std::ranges::stable_sort(given, std::greater(), &GivenRating::rating);
  for (std::size_t k = 0; k < given.size(); ++k) {
    const json::value& item = answer.body.at("items").at(k);
    EXPECT_EQ(item.at("item").as_string(), open_->data().item_raw_id(given[k].item));
    EXPECT_EQ(item.at("title").as_string(), open_->data().title(given[k].item));
    EXPECT_EQ(json::serialize(item.at("genres")), R"(["Action","Drama"])");
    EXPECT_EQ(static_cast<float>(item.at("rating").to_number<double>()), given[k].rating);
  }
  const Answer few = Get("/v1/users/" + RawUser(4) + "/ratings?k=3&sort=best");
  EXPECT_EQ(few.body.at("items").as_array().size(), 3U);
  EXPECT_EQ(few.body.at("total"), answer.body.at("total"));
  const Answer newest = Get("/v1/users/" + RawUser(4) + "/ratings?sort=newest");
  EXPECT_EQ(newest.status, 409);
  EXPECT_THAT(newest.error(), HasSubstr("nothing says when ratings were given"));
  EXPECT_EQ(Get("/v1/users/nobody/ratings").status, 404);
  EXPECT_EQ(Get("/v1/users/" + RawUser(4) + "/ratings?sort=worst").status, 400);
}

TEST_F(ModelEndpointsTest, NewestFirstAndNoRatingsWhereThereAreNone) {
  SampleChunk clicks;
  for (std::uint32_t u = 0; u < 6; ++u) {
    for (std::uint32_t i = 0; i < 5; ++i) {
      clicks.users.push_back(u);
      clicks.items.push_back(i);
      clicks.timestamps.push_back(1000 + (7 * i + u) % 5);
    }
  }
  DatasetWriter writer = DatasetWriter::Create({.folder = folder_.At("timed"),
                                                .name = "timed",
                                                .has_ratings = false,
                                                .has_timestamps = true})
                             .value();
  writer.Append(std::move(clicks));
  writer.SetUsers(Vocabulary(std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
  writer.SetItems(Vocabulary(std::vector<std::int64_t>{10, 11, 12, 13, 14}));
  ASSERT_TRUE(writer.Finish().ok());
  const Dataset data = Dataset::Open(folder_.At("timed")).value();
  const std::string path = WriteJobSnapshot(folder_.At("of_timed"), data,
                                            "model { retrieval { user { dim: 4 } item { "
                                            "dim: 4 } } } train { batch_size: 8 }");
  const auto open = OpenModel::Open({.snapshot = path}).value();
  Start({.paths = {.model = {.snapshot = path}}});
  const Answer answer = Get("/v1/users/1/ratings?sort=newest");
  ASSERT_EQ(answer.status, 200) << answer.error();
  const RowId user = *open->data().FindUser("1");
  std::int64_t before = 2000;
  for (const json::value& item : answer.body.at("items").as_array()) {
    const RowId id = *open->data().FindItem(std::string(item.at("item").as_string()));
    const std::int64_t time = open->data().timestamps()[*open->catalogue().SampleOf(user, id)];
    EXPECT_LT(time, before);
    before = time;
    EXPECT_FALSE(item.as_object().contains("rating"));
    EXPECT_FALSE(item.as_object().contains("genres"));
  }
  EXPECT_LT(before, 2000);
  const Answer list = Post("/v1/recommendations", R"({"clicks":["11"]})");
  ASSERT_EQ(list.status, 200) << list.error();
  EXPECT_FALSE(list.body.at("items").at(0).as_object().contains("genres"));
}

}  // namespace
}  // namespace cf::model_endpoints_test
