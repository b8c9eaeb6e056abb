#include "coordinator/segment_plan.h"

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/config/config.h"

namespace cf::segment_plan_test {
namespace {

using std::chrono::milliseconds;

Job JobOf(const std::string& train, const std::string& snapshot = "") {
  absl::StatusOr<Job> job = ParseJob(
      "train { batch_size: 64 epochs: 3 " + train + " } snapshot { " + snapshot + " }", "test");
  Check(job.ok(), "the test's job parses");
  if (!job->train().has_partitions()) job->mutable_train()->set_partitions(2);
  FillDefaults(*job);
  return *std::move(job);
}

TEST(SegmentPlan, LastsAFifthOfASecondByWhatTheLastOneTook) {
  const Job job = JobOf("");
  JobState state(job, 1000);
  SegmentPlan plan(job, false);
  EXPECT_EQ(plan.EndOfNext(state), 4U) << "nothing is measured yet";
  plan.Took(4, milliseconds(8));
  EXPECT_EQ(plan.EndOfNext(state), 100U);
  state.leg = 950;
  EXPECT_EQ(plan.EndOfNext(state), 1000U) << "the end of the epoch";
  state.leg = 10;
  plan.Took(1, milliseconds(5000));
  EXPECT_EQ(plan.EndOfNext(state), 11U) << "a step is the least";
}

TEST(SegmentPlan, EndsWhereASnapshotIsDue) {
  const Job job = JobOf("", "every_steps: 30");
  JobState state(job, 100);
  SegmentPlan plan(job, false);
  plan.Took(1, milliseconds(1));
  EXPECT_EQ(plan.EndOfNext(state), 30U);
  state.leg = 30;
  EXPECT_EQ(plan.EndOfNext(state), 60U);
  state.epoch = 1;  // Steps are counted from the first of the job.
  state.leg = 0;
  EXPECT_EQ(plan.EndOfNext(state), 20U);
}

// With a delay steps are under way elsewhere.
TEST(SegmentPlan, EndsAtARest) {
  const Job job = JobOf("delay: 1");
  const JobState state(job, 100);
  EXPECT_EQ(SegmentPlan(job, false).EndOfNext(state), 64U);
}

// BLOCKS beyond memory: to get all partitions to one leg would bring each from disk once more.
TEST(SegmentPlan, EndsByTimeWhereverPartitionsAre) {
  const Job job = JobOf("schedule: BLOCKS rounds: 10 partitions: 16", "every_steps: 30");
  const JobState state(job, 160);
  SegmentPlan plan(job, true);
  EXPECT_EQ(plan.EndOfNext(state), 160U) << "the end of the epoch";
  EXPECT_EQ(plan.Longest(), std::chrono::microseconds(1)) << "a block, at first";
  plan.Took(0, milliseconds(3));
  EXPECT_EQ(plan.Longest(), std::chrono::microseconds(1)) << "nothing was done";
  plan.Took(0.1, milliseconds(3));
  EXPECT_EQ(plan.Longest(), milliseconds(500));
  EXPECT_FALSE(SegmentPlan(job, false).Longest().has_value());
}

}  // namespace
}  // namespace cf::segment_plan_test
