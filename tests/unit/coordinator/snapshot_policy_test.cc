// Goal: snapshots are where the policy says, the best one is of the best epoch, and what is kept
// are the last ones and the best.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/snapshot_store.h"
#include "tests/unit/coordinator/local_generation.h"

namespace cf::snapshot_policy_test {
namespace {

using ::testing::ElementsAre;

class SnapshotPolicyTest : public GenerationTest {
 protected:
  /// Epochs of seven steps; only the last is validated, and no snapshot is due but at its end.
  Job MakeJob(std::uint32_t epochs) const {
    Job job = MakeTinyJob(tiny_, epochs);
    job.mutable_validation()->set_every_epochs(epochs);
    job.mutable_snapshot()->set_every_epochs(0);
    job.mutable_snapshot()->set_keep(100);
    return job;
  }

  SnapshotStore Run(const Job& job) {
    LocalGeneration generation(job, tiny_, "run", 2);
    for (const GenerationEnd& end : generation.Run(2)) {
      EXPECT_TRUE(end.has_finished()) << TextOf(end);
    }
    return SnapshotStore::View(tiny_.Beside("run/snapshots")).value();
  }

  static std::vector<std::uint64_t> StepsOf(const SnapshotStore& store) {
    std::vector<std::uint64_t> steps;
    const SnapshotStore::Listing listing = store.List().value();
    for (const Manifest& manifest : listing.snapshots) steps.push_back(manifest.position().step());
    return steps;
  }
};

TEST_F(SnapshotPolicyTest, EverySoManySteps) {
  Job job = MakeJob(2);
  job.mutable_snapshot()->set_every_steps(3);
  EXPECT_THAT(StepsOf(Run(job)), ElementsAre(3, 6, 9, 12, 14));
}

TEST_F(SnapshotPolicyTest, EverySoManyEpochs) {
  Job job = MakeJob(5);
  job.mutable_snapshot()->set_every_epochs(2);
  EXPECT_THAT(StepsOf(Run(job)), ElementsAre(14, 28, 35));
}

// The loss of training falls from epoch to epoch.
TEST_F(SnapshotPolicyTest, TheBestIsOfTheLastEpochThatImproved) {
  Job job = MakeJob(3);
  job.mutable_early_stopping()->set_monitor("train_loss");
  const SnapshotStore store = Run(job);
  EXPECT_THAT(StepsOf(store), ElementsAre(7, 14, 21));
  EXPECT_EQ(store.Best()->position().step(), 21U);
  EXPECT_EQ(store.Best()->best_metrics().epoch(), 3U);
}

// The largest loss is that of the first epoch.
TEST_F(SnapshotPolicyTest, TheBestIsKeptBesideTheLastOnes) {
  Job job = MakeJob(4);
  job.mutable_early_stopping()->set_monitor("train_loss");
  job.mutable_early_stopping()->set_mode(EarlyStopping::MAX);
  job.mutable_snapshot()->set_every_epochs(1);
  job.mutable_snapshot()->set_keep(2);
  const SnapshotStore store = Run(job);
  EXPECT_THAT(StepsOf(store), ElementsAre(7, 21, 28));
  EXPECT_EQ(store.Best()->position().step(), 7U);
  EXPECT_EQ(store.Latest()->best_metrics().epoch(), 1U);
  EXPECT_EQ(store.Latest()->best_metrics().step(), 7U);
}

}  // namespace
}  // namespace cf::snapshot_policy_test
