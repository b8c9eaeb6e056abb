// Goal: the tasks of an array share the jobs of a sweep, each job once. Method: the variables as
// Slurm 22.05 sets them.

#include "launch/sweep_slice.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::sweep_slice_test {
namespace {

using ::testing::ElementsAre;

using Variables = std::map<std::string, std::string>;

absl::StatusOr<SweepSlice> Find(const Variables& variables) {
  return FindSweepSlice([&variables](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

Variables Task(const std::string& id, const std::string& min, const std::string& max,
               const std::string& step, const std::string& count) {
  return {{"SLURM_ARRAY_TASK_ID", id},
          {"SLURM_ARRAY_TASK_MIN", min},
          {"SLURM_ARRAY_TASK_MAX", max},
          {"SLURM_ARRAY_TASK_STEP", step},
          {"SLURM_ARRAY_TASK_COUNT", count}};
}

// Of the first seven jobs.
std::vector<int> Jobs(const Variables& variables) {
  const absl::StatusOr<SweepSlice> slice = Find(variables);
  EXPECT_TRUE(slice.ok()) << slice.status();
  std::vector<int> jobs;
  for (int k = 0; k < 7 && slice.ok(); ++k) {
    if (slice->Holds(static_cast<std::size_t>(k))) jobs.push_back(k);
  }
  return jobs;
}

TEST(SweepSlice, WithoutAnArrayAllJobs) {
  EXPECT_THAT(Jobs({}), ElementsAre(0, 1, 2, 3, 4, 5, 6));
  EXPECT_FALSE(Find({})->array);
}

TEST(SweepSlice, TheTasksOfAnArrayTakeTurns) {
  EXPECT_THAT(Jobs(Task("0", "0", "3", "1", "4")), ElementsAre(0, 4));
  EXPECT_THAT(Jobs(Task("2", "0", "3", "1", "4")), ElementsAre(2, 6));
  EXPECT_THAT(Jobs(Task("3", "0", "3", "1", "4")), ElementsAre(3));
  EXPECT_THAT(Jobs(Task("11", "10", "12", "1", "3")), ElementsAre(1, 4)) << "--array=10-12";
  EXPECT_THAT(Jobs(Task("6", "2", "6", "2", "3")), ElementsAre(2, 5)) << "--array=2-6:2";
  EXPECT_THAT(Jobs(Task("9", "0", "9", "1", "10")), ElementsAre()) << "more tasks than jobs";
  EXPECT_THAT(Jobs(Task("5", "5", "5", "1", "1")), ElementsAre(0, 1, 2, 3, 4, 5, 6)) << "--array=5";
}

TEST(SweepSlice, TheJobsOfAnIndexThatWasLeftOutAreNobodys) {
  // --array=0,3: Slurm calls the step 1.
  EXPECT_THAT(Jobs(Task("0", "0", "3", "1", "2")), ElementsAre(0, 4));
  EXPECT_THAT(Jobs(Task("3", "0", "3", "1", "2")), ElementsAre(3));
  const SweepSlice slice = Find(Task("3", "0", "3", "1", "2")).value();
  EXPECT_EQ(slice.every, 4U);
  EXPECT_EQ(slice.tasks, 2U);
}

TEST(SweepSlice, WhatSlurmDoesNotWriteIsRefused) {
  Variables task = Task("1", "0", "3", "1", "4");
  task.erase("SLURM_ARRAY_TASK_MAX");
  EXPECT_EQ(Find(task).status().message(),
            "SLURM_ARRAY_TASK_MAX is missing from the environment; expected a number, as Slurm "
            "writes it");
  EXPECT_EQ(Find(Task("x", "0", "3", "1", "4")).status().message(),
            "SLURM_ARRAY_TASK_ID=x in the environment; expected a number, as Slurm writes it");
  for (const Variables& wrong : {Task("4", "0", "3", "1", "4"), Task("1", "2", "3", "1", "2"),
                                 Task("1", "0", "4", "2", "3"), Task("1", "0", "3", "0", "4")}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Find(wrong).status()));
  }
}

}  // namespace
}  // namespace cf::sweep_slice_test
