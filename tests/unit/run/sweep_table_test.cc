// Goal: the table of a sweep says what its runs' folders say, the same bytes wherever they ran, and
// names the right job as the best. Method: made-up rows, and folders that hold no sound run.

#include "run/sweep_table.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "run/run_folder.h"

namespace cf::sweep_table_test {
namespace {

using ::testing::HasSubstr;

Sweep MakeSweep(const std::string& text) {
  const Job base =
      ParseJob("model { matrix_factorization {} } split { random {} }", "base").value();
  return ParseSweep(text, "f", base).value();
}

SweepRow Finished(double val_rmse) {
  SweepRow row;
  row.state = RunState::kFinished;
  row.result = {.epoch = 3,
                .figures = {{"train_loss", 0.75}, {"train_rmse", 0.1}, {"val_rmse", val_rmse}}};
  row.digest = "d1";
  return row;
}

SweepRow InState(RunState state) {
  SweepRow row;
  row.state = state;
  return row;
}

TEST(SweepTable, CsvHasAllDigitsAndNoPlaces) {
  const Sweep sweep = MakeSweep("train.seed,cluster.interface\n1,\"a,b\"\n2,\n3,\n");
  EXPECT_EQ(SweepCsv(sweep, std::vector<SweepRow>{Finished(0.1 + 0.2), InState(RunState::kFailed),
                                                  InState(RunState::kNew)}),
            "job,train.seed,cluster.interface,state,epoch,train_loss,train_rmse,val_loss,val_rmse,"
            "val_mae,digest\n" +
                sweep.jobs[0].name +
                ",1,\"a,b\",finished,3,0.75,0.1,,0.30000000000000004,,d1\n"
                "seed=2,2,,failed,,,,,,,\n"
                "seed=3,3,,new,,,,,,,\n");
}

TEST(SweepTable, TextMarksTheBestAndLeavesOutWhatNobodyHas) {
  const Sweep sweep = MakeSweep("train.seed\n1\n2\n");
  EXPECT_EQ(SweepText(sweep, std::vector<SweepRow>{InState(RunState::kStopped), Finished(0.9)}, 1),
            "  job  seed  state     epoch  train_loss  train_rmse  val_rmse\n"
            "    1     1  stopped\n"
            "    2     2  finished      3      0.7500      0.1000    0.9000  best\n");
}

TEST(SweepTable, TheBestHasTheBestFigureAndIsTheFirstOfEquals) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Sweep least = MakeSweep("train.seed\n1\n2\n3\n4\n5\n");
  const std::vector<SweepRow> rows = {InState(RunState::kRunning), Finished(nan), Finished(0.9),
                                      Finished(0.8), Finished(0.8)};
  EXPECT_EQ(FindBest(least, rows).value(), 3U);
  EXPECT_EQ(DescribeResult(least.jobs[3], rows[3]), "val_rmse 0.8000 at epoch 3");
  EXPECT_EQ(DescribeJob(least, least.jobs[3]), "seed=4");

  const Sweep most =
      MakeSweep("train.seed,early_stopping.mode\n1,MAX\n2,MAX\n3,MAX\n4,MAX\n5,MAX\n");
  EXPECT_EQ(FindBest(most, rows).value(), 2U);
}

TEST(SweepTable, ThereMayBeNoBest) {
  const Sweep sweep = MakeSweep("train.seed,early_stopping.monitor\n1,\n2,VAL_MAE\n");
  EXPECT_EQ(FindBest(sweep, std::vector<SweepRow>(2)).status().message(), "no job is finished");
  EXPECT_EQ(FindBest(sweep, std::vector<SweepRow>{Finished(0.9), Finished(0.8)}).status().message(),
            "the jobs differ in early_stopping.monitor or mode, so none is the best");
  EXPECT_EQ(
      FindBest(sweep, std::vector<SweepRow>{Finished(0.9), InState(RunState::kFailed)}).value(),
      0U);
}

TEST(SweepTable, JobsOfDifferentSplitsOrLossesHaveNoBest) {
  const std::vector<SweepRow> rows = {Finished(0.9), Finished(0.8)};
  EXPECT_EQ(FindBest(MakeSweep("split.random.seed\n1\n2\n"), rows).status().message(),
            "the jobs differ in their split, so none is the best");
  const std::string losses =
      "model.matrix_factorization.loss,model.matrix_factorization.link,"
      "model.matrix_factorization.mean,early_stopping.monitor\n";
  EXPECT_EQ(
      FindBest(MakeSweep(losses + "MSE,IDENTITY,false,val_loss\nBCE,SIGMOID,false,val_loss\n"),
               rows)
          .status()
          .message(),
      "the jobs differ in their loss, so none is the best");
  EXPECT_EQ(
      FindBest(MakeSweep(losses + "MSE,IDENTITY,false,val_rmse\nBCE,SIGMOID,false,val_rmse\n"),
               rows)
          .value(),
      1U);
}

TEST(SweepTable, LooksAtFolders) {
  const std::string folder = ::testing::TempDir() + "sweep_table_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder + "/no_run");
  const SweepJob job = MakeSweep("train.seed\n1\n").jobs[0];
  EXPECT_EQ(LookAtJob(job, folder + "/none", "d")->state, RunState::kNew);
  EXPECT_EQ(LookAtJob(job, folder + "/no_run", "d")->state, RunState::kNew);

  RunFolder run = RunFolder::Create(folder + "/run").value();
  EXPECT_EQ(LookAtJob(job, folder + "/run", "d")->state, RunState::kNew);
  ASSERT_TRUE(run.ClaimGeneration().ok());
  ASSERT_TRUE(run.WriteVerdict({.exit_code = kExitUserInput, .text = "no memory"}).ok());
  { const RunFolder released = std::move(run); }
  const SweepRow failed = LookAtJob(job, folder + "/run", "d").value();
  EXPECT_EQ(failed.state, RunState::kFailed);
  EXPECT_EQ(failed.text, "no memory");

  SweepRow damaged = Finished(0.9);
  damaged.snapshot = folder + "/run/snapshots/best";
  AddDigest(damaged);
  EXPECT_EQ(damaged.state, RunState::kFailed);
  EXPECT_FALSE(damaged.result.has_value());
  EXPECT_THAT(damaged.text, HasSubstr("no snapshot yet"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace cf::sweep_table_test
