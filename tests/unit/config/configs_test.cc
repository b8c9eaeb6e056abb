// The ready jobs of configs/.

#include <filesystem>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/config/config.h"

namespace cf {
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
  for (const char* name : {"ml_latest_small_biased_mf", "ml_latest_small_bias_only",
                           "ml_latest_small_mean", "ml_100k_u1_biased_mf", "ml_100k_u1_bias_only",
                           "ml_100k_u1_mean", "ml_1m_biased_mf", "ml_1m_bias_only", "ml_1m_mean",
                           "ml_100k_biased_mf_bce", "ml_20m_biased_mf", "quickstart"}) {
    EXPECT_EQ(names.count(name), 1U) << name;
  }
}

TEST(Configs, BaselinesDifferFromTheirModelInWhatTheirNamesSay) {
  for (const char* set : {"ml_latest_small", "ml_100k_u1", "ml_1m"}) {
    const Job full = Load(std::string(set) + "_biased_mf");
    const Job bias = Load(std::string(set) + "_bias_only");
    const Job mean = Load(std::string(set) + "_mean");
    EXPECT_EQ(bias.split().ShortDebugString(), full.split().ShortDebugString());
    EXPECT_EQ(mean.split().ShortDebugString(), full.split().ShortDebugString());
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
}

}  // namespace
}  // namespace cf
