// Goal: whatever ends a job before its time, Slurm starts it again where it was, and it ends with
// the bits of an undisturbed one. Method: a time limit and `scontrol requeue` at drawn steps, on as
// many nodes as before and on fewer.

#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/slurm/training.h"
#include "tests/support/paths.h"

namespace cf::requeue_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class RequeueInSlurm : public InSlurm {
 protected:
  // A step of the first half, so that the job has enough left to be caught.
  static std::uint64_t DrawStep(std::uint64_t seed) {
    std::mt19937_64 generator(seed);  // Of it only its bits, which the standard fixes.
    return 100 * (1 + generator() % 8);
  }

  static void Requeue(const std::string& job) {
    const Process::Result asked = slurm().Run({"scontrol", "requeue", job});
    EXPECT_EQ(asked.exit_code, 0) << asked.errors;
  }

  // The status between two lives.
  static void ExpectWaiting(const std::string& run, int restarts) {
    ExpectStatus(run, "waiting", [restarts](const ShownRun& status) {
      return status.state == "waiting" && status.batch_state == "PENDING" &&
             status.batch_restarts == restarts;
    });
  }
};

TEST_F(RequeueInSlurm, ByScontrolAtAnyStep) {
  constexpr std::uint64_t kSeed = 1;
  const std::string job = Submit({.run = "requeued"});
  ASSERT_TRUE(WaitForSnapshot("requeued", DrawStep(kSeed))) << slurm().Log(job);
  Requeue(job);
  ExpectWaiting("requeued", 1);
  ASSERT_TRUE(slurm().HastenRestart(job, 1));
  ExpectSameBits(job, "requeued");
  EXPECT_THAT(slurm().Log(job), HasSubstr("resuming from "));
  EXPECT_EQ(slurm().State(job).restarts, 1);
}

// The limit of a minute is nearer than the 120 s of the script's --signal from the start: Slurm ends
// the job wherever its next look at the clock finds it. The second life gets an hour, so that however
// slow the machine is, it is the last.
TEST_F(RequeueInSlurm, AtItsTimeLimit) {
  BatchJobOptions options{.sbatch = {"--nodes=4", "--time=1"}, .run = "limit"};
  options.set.push_back("snapshot.every_steps=1");  // Longer, same bits.
  slurm().WaitForTimeCheck();
  const std::string job = Submit(options);
  ASSERT_TRUE(Eventually([&] { return slurm().State(job).restarts == 1; })) << slurm().Log(job);
  ExpectWaiting("limit", 1);
  EXPECT_EQ(Status("limit").exit_code, 75) << slurm().Log(job);
  const Process::Result extended =
      slurm().Run({"scontrol", "update", "JobId=" + job, "TimeLimit=60"});
  EXPECT_EQ(extended.exit_code, 0) << extended.errors;
  ASSERT_TRUE(slurm().HastenRestart(job, 1));
  ExpectSameBits(job, "limit");
  EXPECT_EQ(slurm().State(job).restarts, 1);
  EXPECT_THAT(slurm().Log(job), HasSubstr("is requeued (restart 1 of at most 20)"));
  EXPECT_THAT(slurm().Log(job), HasSubstr("resuming from "));
}

TEST_F(RequeueInSlurm, OnFewerNodes) {
  constexpr std::uint64_t kSeed = 2;
  const std::string job = Submit({.run = "fewer"});
  ASSERT_TRUE(WaitForSnapshot("fewer", DrawStep(kSeed))) << slurm().Log(job);
  EXPECT_EQ(slurm().State(job).nodes, "n[0-3]");
  Requeue(job);
  ExpectWaiting("fewer", 1);
  slurm().Run({"scontrol", "update", "JobId=" + job, "NumNodes=2"});
  ASSERT_TRUE(slurm().HastenRestart(job, 1));
  ExpectStatus("fewer", "running on two hosts",
               [](const ShownRun& run) { return run.state == "running" && run.hosts.size() == 2; });
  EXPECT_THAT(Status("fewer").hosts, ElementsAre("n0", "n1"));
  ExpectSameBits(job, "fewer");
  EXPECT_EQ(slurm().State(job).nodes, "n[0-1]");
}

// From the moment that Slurm has started it again to a snapshot of a new step.
TEST_F(RequeueInSlurm, TrainsAgainWithinThreeSeconds) {
  const std::string data = cluster().Path("ml-1m");
  const std::string ratings = CF_TEST_DATA "/ml-1m/ratings.csv";
  const Process::Result made =
      std::filesystem::exists(ratings)
          ? RunProgram("cfdata", {"import", "--ratings", ratings, "--out", data})
          : RunProgram("cfdata", {"synth", "--preset", "ml-1m", "--out", data});
  ASSERT_EQ(made.exit_code, 0) << made.errors;

  const std::string job = Submit({.config = "ml_1m_biased_mf",
                                  .data = data,
                                  .run = "quick",
                                  .set = {"snapshot.every_steps=1", "early_stopping.patience=0"}});
  ASSERT_TRUE(WaitForSnapshot("quick", 200)) << slurm().Log(job);
  Requeue(job);
  ASSERT_TRUE(slurm().HastenRestart(job, 1));
  ASSERT_TRUE(slurm().WaitForState(job, "RUNNING")) << slurm().Log(job);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([] {
    const std::vector<std::string> manifests = cluster().Manifests("quick");
    return !manifests.empty() && manifests.back().starts_with("g000002-");
  })) << slurm().Log(job);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  RecordProperty("seconds", std::to_string(seconds.count()));
  EXPECT_LT(seconds.count(), 3);
  slurm().Run({"scancel", job});
}

// A job that its user has cancelled must not come back, though it could.
TEST_F(RequeueInSlurm, NotAfterScancel) {
  const std::string job = Submit({.run = "cancelled"});
  ASSERT_TRUE(WaitForSnapshot("cancelled", 100)) << slurm().Log(job);
  slurm().Run({"scancel", job});
  EXPECT_TRUE(slurm().WaitForState(job, "CANCELLED"));
  EXPECT_EQ(slurm().State(job).restarts, 0);
  EXPECT_THAT(slurm().Log(job), Not(HasSubstr("is requeued")));
}

}  // namespace
}  // namespace cf::requeue_test
