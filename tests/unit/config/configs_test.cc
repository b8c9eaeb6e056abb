// The ready jobs of configs/.

#include <filesystem>
#include <set>
#include <string>

#include <absl/strings/str_cat.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/config/config.h"
#include "tests/support/paths.h"

namespace cf::configs_test {
namespace {

const std::filesystem::path kConfigs = std::filesystem::path(CF_SOURCE_DIR) / "configs";

Job Load(const std::string& name) {
  const absl::StatusOr<Job> job = LoadJob(kConfigs / (name + ".textproto"));
  EXPECT_TRUE(job.ok()) << job.status();
  return job.ok() ? *job : Job();
}

TEST(Configs, AllAreValidAndSayWhatTheyAre) {
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(kConfigs)) {
    if (file.path().extension() != ".textproto") continue;
    names.insert(file.path().stem());
    const absl::StatusOr<std::string> text = ReadFile(file.path());
    ASSERT_TRUE(text.ok()) << text.status();
    EXPECT_EQ(text->substr(0, 2), "# ") << file.path();
    for (const char* part : {"\n# Data: ", "\n# Split: ", "\n# Expected: "}) {
      EXPECT_NE(text->find(part), std::string::npos) << file.path() << " lacks " << part;
    }
    const Job job = Load(file.path().stem());
    EXPECT_TRUE(ValidateJob(job).ok()) << file.path() << ": " << ValidateJob(job);
    EXPECT_TRUE(job.data().has_path()) << file.path();
  }
  for (const char* name : {"quickstart",
                           "keras_recommender_net",
                           "mf_dot",
                           "mf_bias_scaled_sigmoid",
                           "mlp_10",
                           "mlp_10_features",
                           "mlp_128_32",
                           "ml_20m_biased_mf",
                           "retrieval_two_tower",
                           "ranking_256_64",
                           "implicit_logistic",
                           "best_ml_100k",
                           "best_ml_1m",
                           "best_ranking_ml_100k",
                           "best_retrieval_ml_100k",
                           "ml_100k_biased_mf_bce",
                           "ml_latest_small_biased_mf",
                           "ml_100k_u1_biased_mf",
                           "ml_1m_biased_mf",
                           "best_ml_20m",
                           "fast_ml_1m"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
  for (const char* set : {"ml_latest_small", "ml_100k", "ml_100k_u1", "ml_1m", "ml_20m"}) {
    for (const char* baseline : {"_mean", "_bias_only", "_popular"}) {
      EXPECT_EQ(names.count(std::string(set) + baseline), 1U) << set << baseline;
    }
  }
}

TEST(Configs, BaselinesDifferFromTheirModelInWhatTheirNamesSay) {
  for (const char* set : {"ml_latest_small", "ml_100k_u1", "ml_1m", "ml_20m"}) {
    const Job full = Load(std::string(set) + "_biased_mf");
    const Job bias = Load(std::string(set) + "_bias_only");
    const Job mean = Load(std::string(set) + "_mean");
    const Job popular = Load(std::string(set) + "_popular");
    EXPECT_EQ(bias.split().ShortDebugString(), full.split().ShortDebugString());
    EXPECT_EQ(mean.split().ShortDebugString(), full.split().ShortDebugString());
    EXPECT_EQ(popular.split().ShortDebugString(), full.split().ShortDebugString());
    EXPECT_TRUE(popular.model().has_popularity());
    EXPECT_GT(full.model().matrix_factorization().dim(), 0U);
    EXPECT_EQ(bias.model().matrix_factorization().dim(), 0U);
    EXPECT_TRUE(bias.model().matrix_factorization().biases());
    EXPECT_EQ(mean.model().matrix_factorization().dim(), 0U);
    EXPECT_FALSE(mean.model().matrix_factorization().biases());
    EXPECT_TRUE(mean.model().matrix_factorization().mean());
  }
}

// The speed that is claimed is of this job.
TEST(Configs, TheSpeedJobIsTheOneThatWasAgreed) {
  const Job job = Load("ml_20m_biased_mf");
  EXPECT_EQ(job.model().matrix_factorization().dim(), 64U);
  EXPECT_EQ(job.train().batch_size(), 4096U);
  EXPECT_EQ(job.optimizer().kind_case(), Optimizer::kAdam);
  EXPECT_NE(job.optimizer().adam().update(), Adam::DENSE);
}

// What docs/results.md compares with references is what the notebooks have, defaults filled in.
TEST(Configs, TheNotebooksFactorizationsAreTheirs) {
  struct Expected {
    const char* name;
    Fit::Link link;
    Fit::Loss loss;
    bool biases;
    Initial::KindCase bias_values;
    double l2_biases;
    const char* update = "LAZY";  // Their Adam is dense; each has what is as good or better.
  };
  for (const Expected& expected :
       {Expected{"keras_recommender_net", Fit::SIGMOID, Fit::BCE, true, Initial::kUniform, 0},
        Expected{"mf_dot", Fit::IDENTITY, Fit::MSE, false, Initial::kZeros, 0, "DENSE"},
        Expected{"mf_bias_scaled_sigmoid", Fit::SCALED_SIGMOID, Fit::MSE, true, Initial::kHeNormal,
                 1e-6}}) {
    Job job = Load(expected.name);
    FillDefaults(job);
    const MatrixFactorization& model = job.model().matrix_factorization();
    EXPECT_EQ(model.link(), expected.link) << expected.name;
    EXPECT_EQ(model.loss(), expected.loss) << expected.name;
    EXPECT_EQ(model.biases(), expected.biases) << expected.name;
    EXPECT_EQ(model.bias_values().kind_case(), expected.bias_values) << expected.name;
    EXPECT_EQ(model.l2_biases(), expected.l2_biases) << expected.name;
    EXPECT_EQ(model.l2_vectors(), 1e-6) << expected.name;
    EXPECT_EQ(model.vectors().kind_case(), Initial::kHeNormal) << expected.name;
    EXPECT_EQ(model.dim(), 50U) << expected.name;
    EXPECT_FALSE(model.mean()) << expected.name;
    EXPECT_EQ(
        job.optimizer().ShortDebugString(),
        absl::StrCat("adam { learning_rate: 0.001 beta1: 0.9 beta2: 0.999 epsilon: 1e-07 update: ",
                     expected.update,
                     " } schedule { warm_up_steps: 0 } clip_norm: 0 gradient_norm_max: 0 "
                     "on_bad_gradient: STOP"))
        << expected.name;
    EXPECT_EQ(job.train().batch_size(), 64U) << expected.name;
    EXPECT_EQ(job.train().epochs(), 5U) << expected.name;
  }
}

}  // namespace
}  // namespace cf::configs_test
