// Goal: whatever is killed whenever, no process of the job is left and the resumed run ends with
// the bits of an undisturbed one. Method: real jobs, SIGKILL at a drawn instant, a resume with
// another number of ranks; requests to stop and a rank that hangs. kill_long_test.cc draws more.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "run/run_folder.h"
#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"
#include "tests/support/process.h"

namespace cf::kill_test {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

class Kill : public KilledJobTest {
 protected:
  // A job that would train for minutes.
  static JobOptions EndlessJob(const std::string& run) {
    return {.run = run,
            .set = {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"}};
  }
};

// The check of every other test can fail: it finds what nobody waits for any more.
TEST_F(Kill, AnOrphanWouldBeFound) {
  ClusterJob job({"sh", "-c", "sleep 60 & exit 0"}, cluster_->Path("none"));
  EXPECT_EQ(job.Wait().exit_code, 0);
  // A process that is just becoming another program has no environment to know it by.
  EXPECT_TRUE(Eventually([&job] { return !job.WaitUntilNoneIsLeft(std::chrono::seconds(0)); }));
}

TEST_F(Kill, ARankBeforeASnapshot) {
  CheckKill(*cluster_, {.victim = Victim::kRank, .moment = Moment::kBeforeSnapshot, .seed = 1},
            *digest_);
}

TEST_F(Kill, ARankAfterASnapshot) {
  CheckKill(*cluster_, {.victim = Victim::kRank, .seed = 2}, *digest_);
}

TEST_F(Kill, MpirunAfterASnapshot) {
  CheckKill(*cluster_, {.victim = Victim::kMpirun, .seed = 3}, *digest_);
}

TEST_F(Kill, MpirunOfCfrunAfterASnapshot) {
  CheckKill(*cluster_, {.victim = Victim::kMpirunOfCfrun, .seed = 4}, *digest_);
}

// Goal: what a plateau schedule has seen survives a crash: the resumed run lowers the rate when the
// undisturbed one does. With dense Adam, all rates of the past decide what a row is. Method: a figure
// that stalls after a few epochs, a kill after that.
TEST_F(Kill, ARunWhoseFigureStallsLowersItsRateAsTheUndisturbedOne) {
  const auto stalling = [](const std::string& run) {
    JobOptions options = {
        .launcher = Launcher::kAlone,
        .run = run,
        .set = {"train.epochs=40", "train.batch_size=2000", "early_stopping.patience=0",
                "optimizer={ adam { learning_rate: 0.02 update: DENSE } schedule { plateau { "
                "patience: 3 factor: 0.5 } } }"}};
    return options;
  };
  const std::string digest = cluster_->Train(stalling("straight"));
  const std::vector<std::string> rates = HistoryColumn(cluster_->Path("straight"), "learning_rate");
  ASSERT_EQ(rates.size(), 1 + 40U) << "by epoch, from 0 on";
  EXPECT_EQ(rates[1], "0.02");
  EXPECT_LT(std::stod(rates[20]), 0.02) << "the figure did not stall";
  EXPECT_LT(std::stod(rates.back()), std::stod(rates[20])) << "the schedule was done too early";

  JobOptions killed = stalling("stalling");
  killed.set.push_back("snapshot.every_steps=15");
  {
    const std::unique_ptr<ClusterJob> job = cluster_->Start(killed);
    ASSERT_TRUE(job->WaitForSnapshot(20 * 40 - 10)) << job->Wait().errors;
    job->launcher().Signal(SIGKILL);
    ASSERT_EQ(job->Wait().exit_code, 128 + SIGKILL) << "it ended before the kill";
  }
  JobOptions rest = stalling("stalling");
  rest.launcher = Launcher::kMpirun;
  rest.ranks = 3;
  EXPECT_EQ(cluster_->Train(rest), digest);
  EXPECT_EQ(HistoryColumn(cluster_->Path("stalling"), "learning_rate"), rates);
}

TEST_F(Kill, ARequestToStopLeavesASnapshotToContinueFrom) {
  for (const Launcher launcher : {Launcher::kMpirun, Launcher::kCfrun}) {
    const bool cfrun = launcher == Launcher::kCfrun;
    JobOptions options = KilledJob(cfrun ? "stopped_cfrun" : "stopped_mpirun");
    options.launcher = launcher;
    options.ranks = 2;
    {
      const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
      ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
      job->launcher().Signal(SIGUSR1);
      const Process::Result result = job->Wait();
      EXPECT_EQ(result.exit_code, kExitContinue) << result.errors;
      EXPECT_THAT(result.output, HasSubstr("; the same command continues\n"));
      EXPECT_TRUE(job->WaitUntilNoneIsLeft());
    }
    JobOptions rest = RestOfKilledJob(options.run);
    rest.launcher = Launcher::kAlone;
    EXPECT_EQ(cluster_->Train(rest), *digest_) << options.run;
  }
}

// As mpirun sends it, and a second later kills. Here there is no time in which a snapshot could be taken.
TEST_F(Kill, ASignalToTheRanksOfMpirunLeavesAVerdictAtOnce) {
  JobOptions options = KilledJob("terminated");
  options.ranks = 2;
  const std::string wish = cluster_->Path("stall");
  const std::string stalled = cluster_->Path("stalled");
  options.environment = {{"CF_FAULTS", "train.turn,stall,when=" + wish + ",once=" + stalled}};
  const RunFolder folder = RunFolder::Create(cluster_->Path(options.run)).value();
  {
    const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
    ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
    std::ofstream(wish).put('x');
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(stalled); }));
    EXPECT_FALSE(folder.ReadVerdict().ok());
    ::kill(job->FindRank(0), SIGTERM);
    EXPECT_TRUE(Eventually([&] { return folder.ReadVerdict().ok(); }));
    job->launcher().Signal(SIGKILL);
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  }
  const Verdict verdict = folder.ReadVerdict().value_or(Verdict());
  EXPECT_EQ(verdict.exit_code, kExitContinue);
  EXPECT_EQ(verdict.cause, EndCause::kSignal);
  EXPECT_EQ(verdict.text, "ended by a signal; the same command continues from the last snapshot");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp.")));
  }
  JobOptions rest = RestOfKilledJob(options.run);
  rest.launcher = Launcher::kAlone;
  EXPECT_EQ(cluster_->Train(rest), *digest_);
  EXPECT_EQ(folder.ReadVerdict().value_or(Verdict()).cause, EndCause::kFinished);
}

TEST_F(Kill, AHangingRankIsNoticed) {
  JobOptions options = EndlessJob("hanging");
  options.ranks = 3;
  options.set.push_back("cluster.timeout_seconds=3");
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  const pid_t rank = job->FindRank(2);
  ASSERT_GT(rank, 0);
  ::kill(rank, SIGSTOP);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors,
              MatchesRegex("cfworker: rank 2 on [^ ]+ was lost: it was silent for 3000 ms\n"));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

}  // namespace
}  // namespace cf::kill_test
