#include "coordinator/trial.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/coordinator/tiny_job.h"

namespace cf::trial_test {
namespace {

class TrialOf : public ::testing::TestWithParam<const char*> {
 protected:
  TinyData tiny_;
};

INSTANTIATE_TEST_SUITE_P(Models, TrialOf,
                         ::testing::Values(kTinyFactorization, kTinyRanker, kTinyRetrieval,
                                           kTinyPopularity, kTinyImplicit,
                                           kTinyFactorizationWithFeatures));

TEST_P(TrialOf, MeasuresEveryPartOfAnEpoch) {
  const Job job = MakeTinyJob(tiny_, 2, GetParam());
  const TrainingData data = TrainingData::Open(job).value();
  const absl::StatusOr<TrialFigures> figures = RunTrial(job, data, {.threads = 2, .seconds = 0.01});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_EQ(figures->training_samples, data.split.training_count());
  EXPECT_EQ(figures->validation_samples, data.split.validation_count());
  EXPECT_GT(figures->samples_per_second, 0);
  EXPECT_GT(figures->validation_seconds, 0);
  EXPECT_GT(figures->penalty_seconds, 0);
}

// A budget does not keep the trial from its memory, and neither do servers.
TEST_P(TrialOf, IsOfOneRankWithoutABudget) {
  Job job = MakeTinyJob(tiny_, 1, GetParam());
  job.mutable_storage()->set_memory_budget_mib(1);
  job.mutable_cluster()->set_servers(1);
  const TrainingData data = TrainingData::Open(job).value();
  EXPECT_TRUE(RunTrial(job, data, {}).ok());
}

TEST(RunTrial, KnowsBlocks) {
  const TinyData tiny;
  Job job = MakeTinyJob(tiny, 1);
  job.mutable_train()->set_schedule(Train::BLOCKS);
  const TrainingData data = TrainingData::Open(job).value();
  const absl::StatusOr<TrialFigures> figures = RunTrial(job, data, {});
  ASSERT_TRUE(figures.ok()) << figures.status();
  EXPECT_GT(figures->samples_per_second, 0);
}

TEST(WriteThinned, HasAllOfEveryThirdUser) {
  const TinyData tiny;
  const Dataset data = Dataset::Open(tiny.path()).value();
  const std::string folder = tiny.Beside("thinned");
  ASSERT_TRUE(WriteThinned(data, 3, folder).ok());
  const Dataset thinned = Dataset::Open(folder).value();
  EXPECT_EQ(thinned.users(), (data.users() + 2) / 3);
  EXPECT_LE(thinned.items(), data.items());
  EXPECT_EQ(thinned.timestamps().empty(), data.timestamps().empty());
  std::uint64_t samples = 0;
  for (std::uint32_t user = 0; user < data.users(); user += 3) {
    const std::uint64_t first = data.user_offsets()[user];
    const std::uint64_t count = data.user_offsets()[user + 1] - first;
    samples += count;
    // Codes are the ids that users and items had.
    const RowId there = thinned.FindUser(std::to_string(user)).value();
    const std::uint64_t at = thinned.user_offsets()[Index(there)];
    ASSERT_EQ(thinned.user_offsets()[Index(there) + 1] - at, count) << user;
    double ratings = 0;
    double thinned_ratings = 0;
    for (std::uint64_t s = 0; s < count; ++s) {
      ratings += static_cast<double>(data.ratings()[first + s]);
      thinned_ratings += static_cast<double>(thinned.ratings()[at + s]);
    }
    EXPECT_EQ(thinned_ratings, ratings) << user;
  }
  EXPECT_EQ(thinned.samples(), samples);
}

}  // namespace
}  // namespace cf::trial_test
