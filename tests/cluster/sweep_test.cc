// Goal: a sweep trains every job of its file and tells the same wherever and however often it is
// called. Method: three short jobs on real data, one of which fails, straight through; and as the
// tasks of an array, one of them stopped and resumed.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::sweep_test {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// The second needs far more than a MiB; the third is long enough to be stopped.
constexpr char kJobs[] =
    "# three jobs\n"
    "model.matrix_factorization.dim,train.epochs,cluster.memory_mib\n"
    "8,2,\n"
    "4096,2,1\n"
    "16,30,\n";

constexpr char kConfig[] = CF_SOURCE_DIR "/configs/ml_100k_u1_biased_mf.textproto";

class SweepTest : public ::testing::Test {
 protected:
  // One sweep from beginning to end is what the tests compare with.
  static void SetUpTestSuite() {
    cluster_ = std::make_unique<TestCluster>();
    std::ofstream(cluster_->Path("jobs.csv")) << kJobs;
    straight_ = Sweep("straight").Wait();
  }
  static void TearDownTestSuite() { cluster_.reset(); }

  static std::string Path(const std::string& name) { return cluster_->Path(name); }

  static std::vector<std::string> Command(const std::string& run,
                                          const std::vector<std::string>& more = {}) {
    std::vector<std::string> command = {CF_BIN_DIR "/cfrun",
                                        "sweep",
                                        Path("jobs.csv"),
                                        kConfig,
                                        "--data",
                                        Path("data"),
                                        "--run",
                                        Path(run),
                                        "--set",
                                        "early_stopping.patience=0",
                                        "-n",
                                        "2"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }

  static Process Sweep(const std::string& run,
                       const std::map<std::string, std::string>& environment = {}) {
    return Process(Command(run), environment);
  }

  // Task `id` of an array of three.
  static Process Task(const std::string& run, const std::string& id) {
    return Sweep(run, {{"SLURM_ARRAY_TASK_ID", id},
                       {"SLURM_ARRAY_TASK_MIN", "0"},
                       {"SLURM_ARRAY_TASK_MAX", "2"},
                       {"SLURM_ARRAY_TASK_STEP", "1"},
                       {"SLURM_ARRAY_TASK_COUNT", "3"}});
  }

  static std::string Table(const std::string& run) {
    return ReadFile(Path(run) + "/sweep.csv").value_or("");
  }

  static std::size_t Generations(const std::string& run) {
    const std::filesystem::directory_iterator folder(Path(run) + "/generation");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
  }

  static std::unique_ptr<TestCluster> cluster_;
  static Process::Result straight_;
};

std::unique_ptr<TestCluster> SweepTest::cluster_;
Process::Result SweepTest::straight_;

TEST_F(SweepTest, TrainsEveryJobAndNamesTheBest) {
  EXPECT_EQ(straight_.exit_code, kExitFailed) << straight_.errors;
  const std::vector<std::string> lines = LinesOf(Path("straight/sweep.csv"));
  ASSERT_THAT(lines, SizeIs(4));
  EXPECT_EQ(lines[0],
            "job,model.matrix_factorization.dim,train.epochs,cluster.memory_mib,state,epoch,"
            "train_loss,train_rmse,val_loss,val_rmse,val_mae,digest");
  EXPECT_THAT(lines[1], StartsWith("dim=8_epochs=2,8,2,,finished,2,"));
  EXPECT_THAT(lines[1], EndsWith("," + cluster_->Digest("straight/dim=8_epochs=2", "best")));
  EXPECT_EQ(lines[2], "dim=4096_epochs=2_memory_mib=1,4096,2,1,failed,,,,,,,");
  EXPECT_THAT(lines[3], StartsWith("dim=16_epochs=30,16,30,,finished,"));
  EXPECT_THAT(lines[3], EndsWith("," + cluster_->Digest("straight/dim=16_epochs=30", "best")));

  EXPECT_THAT(straight_.output, AllOf(HasSubstr("job 3 of 3: dim=16 epochs=30 -> " +
                                                Path("straight") + "/dim=16_epochs=30\n"),
                                      HasSubstr("\njob 2 failed: "), HasSubstr("may use 1 MiB")));
  const std::string last = straight_.output.substr(straight_.output.rfind("\nbest"));
  EXPECT_THAT(last, AllOf(StartsWith("\nbest: dim=16 epochs=30, val_rmse 0."),
                          EndsWith("; to export it: cfsnapshot export " +
                                   cluster_->SnapshotPath("straight/dim=16_epochs=30", "best") +
                                   " --format npy --out export\n")));
}

TEST_F(SweepTest, WhatIsFinishedIsNotRunAgain) {
  const std::string table = Table("straight");
  const std::size_t generations = Generations("straight/dim=8_epochs=2");
  const Process::Result again = Sweep("straight").Wait();
  EXPECT_EQ(again.exit_code, kExitFailed);
  EXPECT_EQ(Table("straight"), table);
  EXPECT_THAT(again.output,
              AllOf(HasSubstr("dim=8_epochs=2 is finished: val_rmse "),
                    HasSubstr("dim=16_epochs=30 is finished: val_rmse "), Not(HasSubstr("Epoch"))));
  EXPECT_EQ(Generations("straight/dim=8_epochs=2"), generations);
  EXPECT_EQ(Generations("straight/dim=4096_epochs=2_memory_mib=1"), 2U) << "what failed is tried";
}

TEST_F(SweepTest, AnArrayOfStoppedAndResumedTasksMakesTheSameTable) {
  Process stopped = Task("array", "2");
  const std::string log = Path("array/dim=16_epochs=30/log.txt");
  ASSERT_TRUE(Eventually(
      [&log] { return ReadFile(log).value_or("").find("Epoch 2/30") != std::string::npos; }));
  stopped.Signal(SIGUSR1);
  const Process::Result first = stopped.Wait();
  EXPECT_EQ(first.exit_code, kExitContinue) << first.output << first.errors;
  EXPECT_THAT(first.output, EndsWith("stopped at job 3 of 3; the same command continues\n"));
  EXPECT_EQ(Table("array"), "") << "a sweep that goes on has no table yet";

  const Process::Result resumed = Task("array", "2").Wait();
  EXPECT_EQ(resumed.exit_code, kExitFinished) << resumed.errors;
  EXPECT_THAT(resumed.output,
              AllOf(StartsWith("array task 3 of 3: 1 of 3 jobs\n"), HasSubstr("resuming from"),
                    HasSubstr("\n2 of 3 jobs are not finished yet\n"),
                    HasSubstr("\nbest so far: dim=16 epochs=30, ")));
  EXPECT_THAT(Table("array"), HasSubstr("\ndim=8_epochs=2,8,2,,new,,,,,,,\n"));

  Process task0 = Task("array", "0");
  Process task1 = Task("array", "1");
  EXPECT_EQ(task0.Wait().exit_code, kExitFinished);
  EXPECT_EQ(task1.Wait().exit_code, kExitFailed);
  EXPECT_EQ(Table("array"), Table("straight"));
}

TEST_F(SweepTest, WhatIsWrongIsSaidBeforeAnythingRuns) {
  std::ofstream(Path("typo.csv")) << "train.seed\n1\ntwo\n";
  const auto errors_of = [](std::vector<std::string> command, const std::string& run) {
    const Process::Result result = Process(command).Wait();
    EXPECT_EQ(result.exit_code, kExitUserInput) << result.errors;
    EXPECT_EQ(result.output, "");
    EXPECT_FALSE(std::filesystem::exists(Path(run)));
    return result.errors;
  };
  std::vector<std::string> typo = Command("none");
  typo[2] = Path("typo.csv");
  EXPECT_EQ(errors_of(typo, "none"),
            "cfrun: " + Path("typo.csv") +
                ":3: train.seed: expected a whole number from 0 to 18446744073709551615, not "
                "\"two\"\n");
  EXPECT_EQ(errors_of(Command("none", {"--set", "train.epochs=3"}), "none"),
            "cfrun: --set train.epochs=3: the field is a column of " + Path("jobs.csv") + "\n");
  EXPECT_EQ(errors_of(Command("none", {"--data", Path("nowhere")}), "none"),
            "cfrun: " + Path("nowhere") +
                ": not a data set (no manifest.textproto); cfdata import makes one\n");
}

TEST_F(SweepTest, AFlagThatNoJobTakesEndsTheSweepAtTheFirst) {
  const Process::Result result = Process(Command("none", {"--thread", "2"})).Wait();
  EXPECT_EQ(result.exit_code, kExitUserInput);
  EXPECT_THAT(result.errors, AllOf(HasSubstr("--thread"),
                                   EndsWith("cfrun: job 1 of 3 did not even begin, nor would the "
                                            "others\n")));
  EXPECT_THAT(result.output, Not(HasSubstr("job 2 of 3")));
}

TEST_F(SweepTest, RunsOfAnotherConfigurationAreLeftAlone) {
  const Process::Result other = Process(Command("straight", {"--set", "train.seed=7"})).Wait();
  EXPECT_EQ(other.exit_code, kExitUserInput);
  EXPECT_EQ(other.errors, "cfrun: " + Path("straight/dim=8_epochs=2") +
                              " was trained with train.seed 42, not 7: choose another --run\n");
  const std::string run = "straight/dim=8_epochs=2";
  const Process::Result inside = Process(Command(run)).Wait();
  EXPECT_EQ(inside.exit_code, kExitUserInput);
  EXPECT_EQ(inside.errors,
            "cfrun: " + Path(run) + " is a run itself; expected a folder for the sweep's runs\n");
}

TEST_F(SweepTest, MakesAFileOnce) {
  const std::vector<std::string> command = {CF_BIN_DIR "/cfrun", "sweep", "--make",
                                            Path("made.csv"),    kConfig, "train.seed=1,2,3"};
  const Process::Result made = Process(command).Wait();
  EXPECT_EQ(made.exit_code, kExitFinished);
  EXPECT_EQ(made.output, "3 jobs -> " + Path("made.csv") + "\n");
  const std::string text = ReadFile(Path("made.csv")).value();
  EXPECT_EQ(text, "# all combinations: train.seed=1,2,3\ntrain.seed\n1\n2\n3\n");
  const Process::Result again = Process(command).Wait();
  EXPECT_EQ(again.exit_code, kExitUserInput);
  EXPECT_EQ(again.errors, "cfrun: " + Path("made.csv") +
                              " is there already; choose another name, or remove it\n");
}

}  // namespace
}  // namespace cf::sweep_test
