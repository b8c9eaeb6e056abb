// Goal: a job that Slurm does not disturb ends as it does without Slurm, on one host, on four, and
// with dedicated servers. Method: the scripts of launch/slurm on a real Slurm.

#include <chrono>
#include <string>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/slurm/training.h"
#include "tests/support/paths.h"

namespace cf::plain_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PlainInSlurm : public InSlurm {
 protected:
  static void SetUpTestSuite() { StartSlurm({"CommunicationParameters=EnableIPv6"}); }
};

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

// Goal: cfrun doctor sees each host with its own things, what they share, and the ways between them.
TEST_F(PlainInSlurm, DoctorLooksAtFourHosts) {
  const std::string job = slurm().Submit(
      {"--nodes=4", "--wrap",
       "cfrun doctor " CF_SOURCE_DIR "/configs/ml_100k_u1_biased_mf.textproto --data " +
           cluster().Path("data") + " --run " + cluster().Path("examined")});
  ASSERT_TRUE(slurm().WaitForState(job, "COMPLETED", std::chrono::seconds(60))) << slurm().Log(job);
  const std::string log = slurm().Log(job);
  for (const char* way : {"n0 +n1", "n0 +n2", "n0 +n3", "n1 +n2", "n1 +n3", "n2 +n3"})
    EXPECT_THAT(log, ContainsRegex(absl::StrCat("\n *", way, " +[0-9.]+ +[0-9.]+ +[0-9.]+\n")));
  EXPECT_THAT(log, AllOf(HasSubstr("shared, locks hold"), HasSubstr("nothing is wrong")));
}

// Goal: hosts without an address of IPv4 are hosts, too. Method: ranks on two of them meet, connect and
// measure their way, as those of a job do.
TEST_F(PlainInSlurm, HostsOfIpv6Alone) {
  slurm().UseIpv6(true);
  const Process::Result result =
      slurm().StartOn(3, {"cfrun", "doctor", "--hosts", "n0,n1"})->Wait();
  slurm().UseIpv6(false);
  EXPECT_EQ(result.exit_code, 0) << result.errors;
  EXPECT_THAT(result.output, AllOf(HasSubstr("fd00:77::1, eth0"), HasSubstr("fd00:77::2, eth0"),
                                   ContainsRegex("\n *n0 +n1 +[0-9.]+ +[0-9.]+ +[0-9.]+\n"),
                                   HasSubstr("nothing is wrong")));
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
}  // namespace cf::plain_test
