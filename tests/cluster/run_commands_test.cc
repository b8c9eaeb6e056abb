// Goal: `cfrun status`, `list` and `stop` tell the truth about real jobs at each stage of their
// lives, from outside. Method: jobs that would train for minutes, looked at and stopped while they
// run.

#include <csignal>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/cluster.h"

namespace cf::run_commands_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

JobOptions EndlessJob(const std::string& run) {
  return {.launcher = Launcher::kCfrun,
          .ranks = 2,
          .run = run,
          .set = {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"}};
}

class RunCommands : public ::testing::Test {
 protected:
  std::string Status(const std::string& run) const {
    const Process::Result result = RunProgram("cfrun", {"status", cluster_.Path(run)});
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    return result.output;
  }

  std::string Json(const std::string& run) const {
    return RunProgram("cfrun", {"status", "--json", cluster_.Path(run)}).output;
  }

  // Waits until what the run says of itself has `text`.
  bool WaitForStatus(const std::string& run, const std::string& text) const {
    return Eventually([&] {
      const Process::Result result = RunProgram("cfrun", {"status", cluster_.Path(run)});
      return result.output.find(text) != std::string::npos;
    });
  }

  TestCluster cluster_;
};

TEST_F(RunCommands, TellTheTruthFromTheStartToAStopAndTheEnd) {
  {
    const std::unique_ptr<ClusterJob> job = cluster_.Start(EndlessJob("run"));
    ASSERT_TRUE(WaitForStatus("run", "(training)")) << job->Wait().errors;
    ASSERT_TRUE(job->WaitForLog("Epoch 1/"));
    ASSERT_TRUE(WaitForStatus("run", " samples/s, "));
    EXPECT_THAT(Status("run"), AllOf(HasSubstr(cluster_.Path("run") + ": running, "),
                                     ContainsRegex("best val_rmse [0-9.]+ \\(epoch [0-9]+\\)"),
                                     ContainsRegex("2 ranks on [^ ]+, [0-9]+ threads"),
                                     ContainsRegex("last snapshot at step [0-9,]+, [0-9.]+s ago"),
                                     ContainsRegex("held by process [0-9]+ on host ")));
    EXPECT_THAT(Json("run"),
                AllOf(HasSubstr("\"state\":\"running\""), HasSubstr("\"epochs\":100000")));
    EXPECT_THAT(RunProgram("cfrun", {"list", cluster_.folder()}).output,
                ContainsRegex("run +running +[0-9]+/100000 +val_rmse"));

    const Process::Result stop = RunProgram("cfrun", {"stop", cluster_.Path("run")});
    EXPECT_EQ(stop.exit_code, kExitFinished) << stop.errors;
    EXPECT_THAT(stop.output, ContainsRegex("run: stopped at epoch [0-9]+, step [0-9]+ of [0-9]+; "
                                           "the same command continues"));
    const Process::Result result = job->Wait();
    EXPECT_EQ(result.exit_code, kExitContinue) << result.errors;
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  }
  EXPECT_THAT(Status("run"), HasSubstr("run: stopped, "));
  EXPECT_THAT(Json("run"),
              AllOf(HasSubstr("\"exit_code\":75"), HasSubstr("\"state\":\"stopped\"")));
  // There is nothing to stop.
  EXPECT_THAT(RunProgram("cfrun", {"stop", cluster_.Path("run")}).output,
              HasSubstr("is not running: it is stopped\n"));

  // The request is for one life: the same command goes on, and is finished when it is.
  JobOptions rest = EndlessJob("run");
  const std::size_t epochs = HistoryColumn(cluster_.Path("run"), "epoch").size();
  rest.set[0] = "train.epochs=" + std::to_string(epochs + 1);
  EXPECT_EQ(cluster_.Run(rest).exit_code, kExitFinished);
  EXPECT_THAT(Status("run"),
              AllOf(HasSubstr("run: finished, " + std::to_string(epochs + 1) + " of "),
                    HasSubstr("snapshots/best")));
}

TEST_F(RunCommands, AKilledJobIsInterruptedAndNotRunning) {
  JobOptions options = EndlessJob("killed");
  options.flags = {"--restarts", "0"};
  {
    const std::unique_ptr<ClusterJob> job = cluster_.Start(options);
    ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
    ::kill(job->FindRank(0), SIGKILL);
    EXPECT_EQ(job->Wait().exit_code, kExitFailed);
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  }
  EXPECT_THAT(Status("killed"), HasSubstr("killed: interrupted, "));
}

// A job that is refused changes nothing in what the run says of itself.
TEST_F(RunCommands, ARefusedJobLeavesTheRunAsItWas) {
  JobOptions options = {.run = "done", .set = {"train.epochs=1"}};
  ASSERT_EQ(cluster_.Run(options).exit_code, kExitFinished);
  const std::string before = RunProgram("cfrun", {"list", cluster_.folder()}).output;
  EXPECT_THAT(before, ContainsRegex("done +finished +1/1"));
  options.set.push_back("model.matrix_factorization.dim=8");
  EXPECT_EQ(cluster_.Run(options).exit_code, kExitUserInput);
  EXPECT_THAT(Status("done"), HasSubstr("done: finished, 1 of 1 epochs"));
}

TEST_F(RunCommands, WhatIsNoRunGetsOneLine) {
  for (const std::string verb : {"status", "stop"}) {
    const Process::Result result = RunProgram("cfrun", {verb, cluster_.Path("nothing")});
    EXPECT_EQ(result.exit_code, kExitUserInput);
    EXPECT_EQ(result.errors,
              "cfrun " + verb + ": " + cluster_.Path("nothing") + ": no run is here\n");
  }
  EXPECT_EQ(RunProgram("cfrun", {"status"}).exit_code, kExitUserInput);
  EXPECT_EQ(RunProgram("cfrun", {"list", cluster_.Path("nothing")}).exit_code, kExitUserInput);
}

}  // namespace
}  // namespace cf::run_commands_test
