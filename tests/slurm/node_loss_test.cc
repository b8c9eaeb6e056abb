// Goal: a job whose host falls silent goes on without it, in the same allocation or in the next,
// and ends with the bits of an undisturbed one. Method: links of hosts are cut, which closes no
// connection and kills no process.

#include <chrono>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/slurm/training.h"

namespace cf::node_loss_test {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A rank is given up after three seconds of silence.
BatchJobOptions ImpatientJob(const std::string& run) {
  BatchJobOptions options{.run = run};
  options.set.push_back("cluster.timeout_seconds=3");
  return options;
}

// Slurm notices later than the ranks do.
class HostLossBeforeSlurm : public InSlurm {
 protected:
  static void SetUpTestSuite() { StartSlurm({"SlurmdTimeout=300"}); }
};

TEST_F(HostLossBeforeSlurm, TheJobGoesOnInItsAllocation) {
  const std::string job = Submit(ImpatientJob("without_n2"));
  ASSERT_TRUE(WaitForSnapshot("without_n2", 300)) << slurm().Log(job);
  slurm().CutLink(2);
  ExpectStatus("without_n2", "running on three hosts",
               [](const ShownRun& run) { return run.state == "running" && run.hosts.size() == 3; });
  EXPECT_THAT(Status("without_n2").hosts, ElementsAre("n0", "n1", "n3"));
  ExpectStatus("without_n2", "finished",
               [](const ShownRun& run) { return run.state == "finished"; });
  slurm().RestoreLink(2);  // Slurm would wait for the host to the end of its patience.
  ExpectSameBits(job, "without_n2");
  EXPECT_EQ(slurm().State(job).restarts, 0);
  EXPECT_THAT(slurm().Log(job), HasSubstr("resuming from "));
}

// Goal: without a batch system, too, a job goes on without a host whose packets arrive nowhere, which
// would keep a start waiting; and plain mpirun, which would wait for it for ever, ends.
TEST_F(HostLossBeforeSlurm, WithoutSlurmASilentHostIsLeftOut) {
  // From the last host, so that the silent one is neither rank 0's nor where this is started.
  std::vector<std::string> supervised = {"cfrun", "--hosts", "n0,n1,n2,n3",
                                         "-n",    "4",       "--no-survival"};
  std::vector<std::string> plain = {"mpirun", "--quiet",     "-n",      "4",
                                    "--host", "n0,n1,n2,n3", "cfworker"};
  const std::vector<std::string> first = WordsOf(ImpatientJob("supervised"));
  const std::vector<std::string> second = WordsOf(ImpatientJob("plain"));
  supervised.insert(supervised.end(), first.begin(), first.end());
  plain.insert(plain.end(), second.begin(), second.end());
  const auto goes_on = slurm().StartOn(3, supervised);
  const auto ends = slurm().StartOn(3, plain);
  ASSERT_TRUE(WaitForSnapshot("supervised", 300) && WaitForSnapshot("plain", 300))
      << goes_on->ErrorsSoFar() << ends->ErrorsSoFar();
  slurm().Mute(1);
  const Process::Result result = goes_on->Wait(std::chrono::seconds(100));
  EXPECT_EQ(result.exit_code, kExitFinished) << result.output << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("starting again from the last snapshot without n1 "));
  const Process::Result ended = ends->Wait(std::chrono::seconds(60));
  EXPECT_NE(ended.exit_code, kExitFinished);
  EXPECT_GE(ended.exit_code, 0) << "mpirun waits for the host that was lost";
  slurm().Unmute(1);
  ExpectSameDigest("supervised");
}

class HostLossInSlurm : public InSlurm {
 protected:
  // Slurm gives a silent host up after some 10 s.
  static void SetUpTestSuite() {
    StartSlurm({"SlurmdTimeout=4", "MessageTimeout=2", "TCPTimeout=1"});
  }
};

// The host of the batch script and of rank 0. Slurm starts the job again on the others, while on
// the lost one its processes are still alive.
TEST_F(HostLossInSlurm, TheJobComesBackWithoutItsFirstHost) {
  const std::string job = Submit(ImpatientJob("without_n0"));
  ASSERT_TRUE(WaitForSnapshot("without_n0", 300)) << slurm().Log(job);
  slurm().CutLink(0);
  ASSERT_TRUE(slurm().WaitForState(job, "PENDING", std::chrono::seconds(60)))
      << slurm().State(job).state << "\n"
      << slurm().Log(job);
  slurm().Run({"scontrol", "update", "JobId=" + job, "NumNodes=3"});
  ASSERT_TRUE(slurm().HastenRestart(job, 1));
  ExpectSameBits(job, "without_n0");
  EXPECT_EQ(slurm().State(job).nodes, "n[1-3]");
  // The others may have gone on in place, and to the end, before Slurm ended them.
  EXPECT_THAT(slurm().Log(job), AnyOf(HasSubstr("resuming from "), HasSubstr(" is finished: ")));
}

}  // namespace
}  // namespace cf::node_loss_test
