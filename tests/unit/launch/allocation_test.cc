// Goal: what Slurm's environment says becomes the right ranks in the right places. Method:
// environments as Slurm 22.05 sets them, written out.

#include "launch/allocation.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::allocation_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::StatusOr<std::optional<Allocation>> Find(const std::map<std::string, std::string>& values) {
  return FindAllocation([&values](const char* name) -> const char* {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : found->second.c_str();
  });
}

Allocation Found(std::map<std::string, std::string> values) {
  values["SLURM_JOB_ID"] = "1239";
  const absl::StatusOr<std::optional<Allocation>> found = Find(values);
  EXPECT_TRUE(found.ok() && found->has_value()) << found.status();
  return **found;
}

TEST(Allocation, OutsideSlurmThereIsNone) {
  EXPECT_FALSE(Find({})->has_value());
}

TEST(Allocation, IsAsSlurmWritesIt) {
  const Allocation plain = Found({{"SLURM_JOB_CPUS_PER_NODE", "4(x3),2"},
                                  {"SLURM_TASKS_PER_NODE", "1(x4)"},
                                  {"SLURM_MEM_PER_NODE", "4000"}});
  EXPECT_EQ(plain.name, "1239");
  EXPECT_THAT(plain.cpus, ElementsAre(4, 4, 4, 2));
  EXPECT_EQ(plain.tasks, 0U);
  EXPECT_EQ(plain.memory_per_node, 4000U);
  EXPECT_EQ(plain.restarts, 0U);

  // After a requeue to fewer nodes SLURM_NTASKS is still that of the first life.
  const Allocation task = Found({{"SLURM_JOB_CPUS_PER_NODE", "8(x2)"},
                                 {"SLURM_TASKS_PER_NODE", "2(x2)"},
                                 {"SLURM_NTASKS", "8"},
                                 {"SLURM_CPUS_PER_TASK", "4"},
                                 {"SLURM_MEM_PER_CPU", "1000"},
                                 {"SLURM_ARRAY_JOB_ID", "1236"},
                                 {"SLURM_ARRAY_TASK_ID", "2"},
                                 {"SLURM_RESTART_COUNT", "3"}});
  EXPECT_EQ(task.name, "1236_2");
  EXPECT_EQ(task.id, "1239");
  EXPECT_EQ(task.tasks, 4U);
  EXPECT_EQ(task.cpus_per_task, 4U);
  EXPECT_EQ(task.memory_per_cpu, 1000U);
  EXPECT_EQ(task.restarts, 3U);
}

TEST(Allocation, WhatSlurmDoesNotWriteIsNamed) {
  for (const std::string cpus : {"", "4(x", "4(3)", "four", "4(x3),", "4(x99999999)"}) {
    const absl::Status status =
        Find({{"SLURM_JOB_ID", "1"}, {"SLURM_JOB_CPUS_PER_NODE", cpus}}).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << cpus;
    EXPECT_THAT(std::string(status.message()), HasSubstr("SLURM_JOB_CPUS_PER_NODE=" + cpus));
  }
  EXPECT_THAT(std::string(Find({{"SLURM_JOB_ID", "1"},
                                {"SLURM_JOB_CPUS_PER_NODE", "1"},
                                {"SLURM_RESTART_COUNT", "often"}})
                              .status()
                              .message()),
              HasSubstr("SLURM_RESTART_COUNT=often"));
}

const std::vector<std::string> kHosts = {"n0", "n1", "n2", "n3"};

Allocation FourNodes() {
  return {.id = "1", .name = "1", .cpus = {4, 4, 4, 4}, .memory_per_node = 4000};
}

TEST(RankPlan, IsOneRankANodeWithAllItHas) {
  const RankPlan plan = PlanRanks(FourNodes(), {}, {}).value();
  ASSERT_EQ(plan.groups.size(), 1U);
  EXPECT_EQ(plan.groups[0].ranks, 4U);
  EXPECT_THAT(plan.groups[0].placement, ElementsAre("--map-by", "ppr:1:node"));
  EXPECT_EQ(plan.cores, 4U);
  EXPECT_EQ(plan.memory_mib, 4000U);
}

TEST(RankPlan, SharesANodeAmongItsRanks) {
  const RankPlan plan = PlanRanks(FourNodes(), {}, {.ranks = 8}).value();
  EXPECT_THAT(plan.groups[0].placement, ElementsAre("--map-by", "ppr:2:node"));
  EXPECT_EQ(plan.cores, 2U);
  EXPECT_EQ(plan.memory_mib, 2000U);
  // Unevenly: what the fullest node gives is what each has.
  const RankPlan five = PlanRanks(FourNodes(), {}, {.ranks = 5}).value();
  EXPECT_THAT(five.groups[0].placement, ElementsAre("--map-by", "node"));
  EXPECT_EQ(five.cores, 2U);
}

TEST(RankPlan, FollowsTheTasksThatSlurmWasAskedFor) {
  Allocation allocation = FourNodes();
  allocation.tasks = 8;
  allocation.cpus_per_task = 2;
  const RankPlan plan = PlanRanks(allocation, {}, {}).value();
  EXPECT_EQ(plan.groups[0].ranks, 8U);
  EXPECT_THAT(plan.groups[0].placement, IsEmpty());  // mpirun fills Slurm's slots.
  EXPECT_EQ(plan.cores, 2U);
}

TEST(RankPlan, TheLeastNodeDecides) {
  Allocation allocation = {.id = "1", .name = "1", .cpus = {3, 1}, .memory_per_cpu = 1000};
  const RankPlan plan = PlanRanks(allocation, {}, {}).value();
  EXPECT_EQ(plan.cores, 1U);
  EXPECT_EQ(plan.memory_mib, 1000U);
}

TEST(RankPlan, ServersHaveTheLastNodes) {
  const RankPlan plan = PlanRanks(FourNodes(), kHosts, {.ranks = 7, .servers = 1}).value();
  ASSERT_EQ(plan.groups.size(), 2U);
  EXPECT_EQ(plan.groups[0].ranks, 6U);
  EXPECT_THAT(plan.groups[0].placement, ElementsAre("--host", "n0:2,n1:2,n2:2"));
  EXPECT_EQ(plan.groups[1].ranks, 1U);
  EXPECT_THAT(plan.groups[1].placement, ElementsAre("--host", "n3:1"));
  EXPECT_EQ(plan.cores, 2U);

  const auto refusal = [](const RankRequest& request) {
    return std::string(PlanRanks(FourNodes(), kHosts, request).status().message());
  };
  EXPECT_THAT(refusal({.ranks = 6, .servers = 1}), HasSubstr("5 workers"));
  EXPECT_THAT(refusal({.servers = 4}), HasSubstr("the allocation has 4 nodes"));
  EXPECT_THAT(refusal({.ranks = 2, .servers = 2}), HasSubstr("leaves no worker"));
}

TEST(RankPlan, OneNodeHoldsServersToo) {
  const Allocation allocation = {.id = "1", .name = "1", .cpus = {4}};
  const RankPlan plan = PlanRanks(allocation, {"n0"}, {.servers = 1}).value();
  ASSERT_EQ(plan.groups.size(), 1U);
  EXPECT_EQ(plan.groups[0].ranks, 2U);
  EXPECT_EQ(plan.cores, 2U);
}

TEST(RankPlan, LeavesLostHostsOut) {
  const RankPlan plan = PlanRanks(FourNodes(), kHosts, {.without = {"n1"}}).value();
  EXPECT_EQ(plan.groups[0].ranks, 3U);
  EXPECT_THAT(plan.groups[0].placement, ElementsAre("--host", "n0:1,n2:1,n3:1"));
  EXPECT_THAT(std::string(PlanRanks(FourNodes(), kHosts, {.without = kHosts}).status().message()),
              HasSubstr("every host of the allocation was lost"));
}

// Outside of a batch system nothing is known of hosts but their names.
TEST(PlanOnHosts, SpreadsRanksAndLeavesLostHostsOut) {
  const auto placement = [](const RankRequest& request) {
    return PlanOnHosts({"a", "b", "c"}, request)->groups[0].placement;
  };
  EXPECT_THAT(placement({}), ::testing::ElementsAre("--host", "a:1,b:1,c:1"));
  EXPECT_THAT(placement({.ranks = 4}), ::testing::ElementsAre("--host", "a:2,b:2,c:2"));
  EXPECT_THAT(placement({.ranks = 3, .without = {"b"}}),
              ::testing::ElementsAre("--host", "a:2,c:2"));
  const RankPlan plan = PlanOnHosts({"a", "b", "c"}, {.ranks = 5, .servers = 1}).value();
  EXPECT_EQ(plan.ranks(), 5U);
  EXPECT_EQ(plan.cores, 0U);
  EXPECT_THAT(plan.groups[1].placement, ::testing::ElementsAre("--host", "c:1"));
  EXPECT_FALSE(PlanOnHosts({"a"}, {.ranks = 1, .without = {"a"}}).ok());
}

}  // namespace
}  // namespace cf::allocation_test
