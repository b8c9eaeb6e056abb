#include "common/model/model_spec.h"

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/model/kinds.h"

namespace cf::model_spec_test {
namespace {

using ::testing::ElementsAre;

Job JobOf(const std::string& model) {
  absl::StatusOr<Job> job = ParseJob("model {" + model + "} train { batch_size: 32 }", "test");
  EXPECT_TRUE(job.ok()) << job.status();
  FillDefaults(*job);
  return *std::move(job);
}

std::unique_ptr<const ModelSpec> Make(const std::string& model) {
  return ModelSpec::Make(JobOf(model));
}

std::vector<std::string> TablesOf(const ModelSpec& model, std::vector<std::uint32_t> features) {
  std::vector<std::string> texts;
  for (const TableSpec& table : model.Tables({.users = 7, .items = 9, .features = features})) {
    texts.push_back(table.shape.name + " " + std::to_string(table.shape.rows) + " x " +
                    std::to_string(table.shape.dim) + (table.shape.biases ? " + bias" : ""));
  }
  return texts;
}

TEST(ModelKinds, AreThoseOfTheSchema) {
  const google::protobuf::OneofDescriptor* schema = Model::descriptor()->FindOneofByName("kind");
  std::multiset<int> expected;
  for (int k = 0; k < schema->field_count(); ++k) expected.insert(schema->field(k)->number());
  std::multiset<int> listed;
  for (const ModelKind& kind : ModelKinds()) listed.insert(kind.kind);
  EXPECT_EQ(listed, expected);
}

TEST(ModelSpec, HasTheTablesOfItsKind) {
  EXPECT_THAT(
      TablesOf(*Make("matrix_factorization { dim: 5 feature { source: ITEM_GENRES } }"), {4}),
      ElementsAre("users 7 x 5 + bias", "items 9 x 5 + bias", "genres 4 x 5 + bias"));
  EXPECT_THAT(TablesOf(*Make("matrix_factorization { dim: 5 biases: false"
                             "  feature { source: USER_HISTORY } }"),
                       {9}),
              ElementsAre("users 7 x 5", "items 9 x 5", "history 9 x 5"));
  const std::unique_ptr<const ModelSpec> ranker = Make(
      "ranker { user { dim: 5 } item { dim: 3 } dense { units: 4 } dense {}"
      "  feature { source: TIMESTAMP_YEAR dim: 2 } }");
  EXPECT_THAT(TablesOf(*ranker, {6}), ElementsAre("users 7 x 5", "items 9 x 3", "dense_0 1 x 44",
                                                  "dense_1 1 x 5", "timestamp_year 6 x 2"));
  EXPECT_EQ(ranker->first_feature(), TableId{4});
  EXPECT_THAT(
      TablesOf(*Make("retrieval { user { dim: 5 dense { units: 3 } } item { dim: 3 } }"), {}),
      ElementsAre("users 7 x 5", "items 9 x 3", "user_dense_0 1 x 18"));
  EXPECT_THAT(TablesOf(*Make("popularity {}"), {}),
              ElementsAre("users 7 x 0 + bias", "items 9 x 0 + bias"));
}

TEST(ModelSpec, ObjectivesScaleWhatTheKindLearns) {
  const RatingStatistics ratings{.mean = 3.5, .min = 0.5, .max = 5};
  const Objective rated = Make("matrix_factorization {}")->ObjectiveFor(ratings);
  EXPECT_EQ(rated.link, Objective::Link::kIdentity);
  EXPECT_EQ(rated.mean, 3.5F);
  EXPECT_EQ(rated.rating_min, 0.5F);
  EXPECT_EQ(rated.rating_range, 4.5F);
  EXPECT_EQ(rated.inverse_batch, 1.0F / 32);

  const Objective implicit =
      Make("matrix_factorization { negatives: 3 mean: false link: SIGMOID loss: BCE }")
          ->ObjectiveFor(ratings);
  EXPECT_EQ(implicit.link, Objective::Link::kSigmoid);
  EXPECT_EQ(implicit.loss, Objective::Loss::kCrossEntropy);
  EXPECT_EQ(implicit.mean, 0);
  EXPECT_EQ(implicit.rating_min, 0);
  EXPECT_EQ(implicit.rating_range, 1);
  EXPECT_EQ(implicit.inverse_batch, 1.0F / 128);

  const Objective summed = Make("matrix_factorization { reduction: SUM }")->ObjectiveFor(ratings);
  EXPECT_EQ(summed.inverse_batch, 1);
  const Objective ranker = Make("ranker { link: SCALED_SIGMOID dense {} }")->ObjectiveFor(ratings);
  EXPECT_EQ(ranker.link, Objective::Link::kScaledSigmoid);
  EXPECT_EQ(ranker.mean, 0);
  EXPECT_EQ(ranker.inverse_batch, 1.0F / 32);
}

TEST(ModelSpec, SaysWhatOthersMustDoForIt) {
  const std::unique_ptr<const ModelSpec> factorization = Make("matrix_factorization {}");
  EXPECT_TRUE(factorization->predicts_ratings());
  EXPECT_TRUE(factorization->ranks());
  const std::unique_ptr<const ModelSpec> implicit =
      Make("matrix_factorization { negatives: 2 mean: false link: SIGMOID loss: BCE }");
  EXPECT_FALSE(implicit->predicts_ratings());
  EXPECT_EQ(implicit->negatives(), 2U);
  EXPECT_TRUE(Make("ranker { dense {} }")->ranks());
  EXPECT_FALSE(Make("ranker { dense {} feature { source: ITEM_GENRES } }")->ranks());
  EXPECT_TRUE(Make("matrix_factorization { feature { source: ITEM_GENRES } }")->ranks());
  const std::unique_ptr<const ModelSpec> retrieval = Make("retrieval {}");
  EXPECT_TRUE(retrieval->batch_is_candidates());
  EXPECT_FALSE(retrieval->predicts_ratings());
  EXPECT_TRUE(retrieval->networks().empty());
  const std::unique_ptr<const ModelSpec> popularity = Make("popularity {}");
  EXPECT_TRUE(popularity->counts_items());
  EXPECT_FALSE(popularity->batch_is_candidates());
  EXPECT_EQ(popularity->kind_name(), "popularity");
}

TEST(ModelSpec, PredictionsAreToldInTheNamesOfAnExport) {
  EXPECT_EQ(Make("popularity {}")->Prediction(), "score = item_biases[i]");
  EXPECT_EQ(Make("retrieval {}")->Prediction(),
            "score = dot(user_embeddings[u], item_embeddings[i])");
  EXPECT_EQ(Make("retrieval { user { dense { units: 32 } } }")->Prediction(),
            "score = dot(user_vectors[u], item_vectors[i])");
  EXPECT_EQ(Make("matrix_factorization {}")->Prediction(),
            "rating = user_biases[u] + item_biases[i] + mean + dot(user_embeddings[u], "
            "item_embeddings[i])");
  EXPECT_EQ(
      Make("ranker { item_first: true link: SIGMOID dense {}"
           "  feature { source: ITEM_GENRES } }")
          ->Prediction(),
      "rating = rating_min + (rating_max - rating_min) / (1 + exp(-x)), x = the dense layers' "
      "output for (item_embeddings[i], user_embeddings[u], genres)");
}

}  // namespace
}  // namespace cf::model_spec_test
