// Goal: a job that Slurm does not disturb ends as it does without Slurm, on one host, on four, and
// with dedicated servers. Method: the scripts of launch/slurm on a real Slurm.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/slurm/training.h"

namespace cf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlainInSlurm : public InSlurm {};

TEST_F(PlainInSlurm, FourHosts) {
  const std::string job = Submit({.run = "four"});
  ExpectStatus("four", "running on four hosts", [](const ShownRun& run) {
    return run.state == "running" && run.hosts.size() == 4 && run.step > 0;
  });
  const ShownRun running = Status("four");
  EXPECT_THAT(running.hosts, ElementsAre("n0", "n1", "n2", "n3"));
  EXPECT_EQ(running.batch_job, job);
  EXPECT_EQ(running.batch_state, "RUNNING");
  EXPECT_EQ(running.steps_per_epoch, 40);
  EXPECT_GT(running.samples_per_second, 0);
  // The partition's default of five minutes.
  EXPECT_GT(running.batch_seconds_left, 200);
  EXPECT_LE(running.batch_seconds_left, 300);
  ExpectSameBits(job, "four");
  EXPECT_THAT(slurm().Log(job), HasSubstr("4 ranks on 4 hosts, 8 threads"));
}

TEST_F(PlainInSlurm, OneHostWithTwoTasks) {
  const std::string job = Submit({.sbatch = {"--nodes=1", "--ntasks=2"}, .run = "one"});
  ExpectSameBits(job, "one");
  EXPECT_THAT(slurm().Log(job), HasSubstr("2 ranks on 1 host, 16 partitions"));
}

TEST_F(PlainInSlurm, DedicatedServers) {
  const std::string job = Submit({.script = "servers.sbatch", .run = "servers"});
  ExpectSameBits(job, "servers");
  EXPECT_GT(Status("servers").servers, 0);
}

}  // namespace
}  // namespace cf
