// Goal: a run folder means what the documentation says of it: finished, resumed, continued, in use,
// refused; and what a user reads on the screen and in exit codes. Method: real jobs of a few
// epochs.

#include <algorithm>
#include <csignal>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::run_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

class Run : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  // A quick job of one rank, which gets better in each of its first epochs; `more` is appended to its
  // settings.
  static JobOptions QuickJob(const std::string& run, const std::vector<std::string>& more = {}) {
    JobOptions options = {
        .launcher = Launcher::kAlone,
        .run = run,
        .set = {"train.batch_size=2000", "model.matrix_factorization.start_from_baseline=false"}};
    options.set.insert(options.set.end(), more.begin(), more.end());
    return options;
  }

  // The job must be refused with exactly `line`, with and without other ranks.
  static void ExpectRefused(JobOptions options, const std::string& line) {
    for (const Launcher launcher : {Launcher::kAlone, Launcher::kMpirun, Launcher::kCfrun}) {
      options.launcher = launcher;
      options.ranks = launcher == Launcher::kAlone ? 1 : 2;
      const Process::Result refused = cluster_->Run(options);
      EXPECT_EQ(refused.exit_code, kExitUserInput);
      EXPECT_EQ(refused.errors, "cfworker: " + line + "\n");
      EXPECT_EQ(refused.output, "");
    }
  }

  static TestCluster* cluster_;
};

TestCluster* Run::cluster_ = nullptr;

// A rate this high overfits after a few epochs.
const std::vector<std::string>& Overfitting() {
  static const std::vector<std::string> settings = {"optimizer.adam.learning_rate=0.02",
                                                    "early_stopping.patience=2"};
  return settings;
}

TEST_F(Run, StopsExactlyPatienceEpochsAfterTheBestWhichEvaluateRepeats) {
  JobOptions options = QuickJob("stopped", Overfitting());
  options.launcher = Launcher::kMpirun;
  options.ranks = 3;
  const Process::Result result = cluster_->Run(options);
  ASSERT_EQ(result.exit_code, kExitFinished) << result.errors;
  std::vector<double> errors;
  for (const std::string& cell : HistoryColumn(cluster_->Path("stopped"), "val_rmse")) {
    errors.push_back(std::stod(cell));
  }
  const auto best = std::min_element(errors.begin(), errors.end()) - errors.begin() + 1;
  ASSERT_GT(best, 1) << "the rate is too high to tell";
  ASSERT_LT(std::ssize(errors), 30) << "the job ended before it overfitted";
  EXPECT_EQ(std::ssize(errors), best + 2);
  const std::string number = std::to_string(best);
  EXPECT_THAT(result.output, HasSubstr("\nbest epoch " + number + ": val_rmse "));

  // `best` is the state at the end of that epoch, and kept beside the last two.
  std::vector<std::string> settings = Overfitting();
  settings.push_back("train.epochs=" + number);
  EXPECT_EQ(cluster_->Digest("stopped", "best"), cluster_->Train(QuickJob("short", settings)));
  EXPECT_EQ(cluster_->Manifests("stopped").size(), 3U);

  // "Epoch 7/30 ... val_loss 0.1 val_rmse 0.2 val_mae 0.3 best": the figures, to the last digit.
  const std::vector<std::string> log = LinesOf(cluster_->Path("stopped/log.txt"));
  const auto line = std::find_if(log.begin(), log.end(), [&](const std::string& text) {
    return text.starts_with("Epoch " + number + "/");
  });
  ASSERT_NE(line, log.end());
  const std::size_t begin = line->find("val_loss ");
  ASSERT_NE(begin, std::string::npos);
  const std::string figures = line->substr(begin, line->rfind(" best") - begin);
  const Process::Result evaluated =
      RunProgram("cfsnapshot", {"evaluate", cluster_->SnapshotPath("stopped", "best")});
  EXPECT_EQ(evaluated.exit_code, kExitFinished) << evaluated.errors;
  EXPECT_THAT(evaluated.output, HasSubstr(figures));
}

TEST_F(Run, AFinishedRunSaysSoAndMoreEpochsContinueIt) {
  const JobOptions two = QuickJob("continued", {"train.epochs=2"});
  ASSERT_EQ(cluster_->Run(two).exit_code, kExitFinished);
  for (const Launcher launcher : {Launcher::kAlone, Launcher::kMpirun, Launcher::kCfrun}) {
    JobOptions again = two;
    again.launcher = launcher;
    again.ranks = launcher == Launcher::kAlone ? 1 : 2;
    const Process::Result finished = cluster_->Run(again);
    EXPECT_EQ(finished.exit_code, kExitFinished);
    EXPECT_EQ(finished.errors, "");
    EXPECT_THAT(finished.output,
                StartsWith(cluster_->Path("continued") + " is finished: best epoch 2: val_rmse "));
  }

  JobOptions four = QuickJob("continued", {"train.epochs=4"});
  four.launcher = Launcher::kMpirun;
  four.ranks = 3;
  four.flags = {"--profile"};
  const Process::Result profiled = cluster_->Run(four);
  ASSERT_EQ(profiled.exit_code, kExitFinished) << profiled.errors;
  const std::string digest = cluster_->Digest("continued");
  // Of this life of the job only, its two epochs at the end and each in the log.
  EXPECT_THAT(profiled.output, HasSubstr("\nprofile of this run of the job: "));
  EXPECT_THAT(profiled.output, Not(HasSubstr("profile of epoch")));
  const std::vector<std::string> log = LinesOf(cluster_->Path("continued/log.txt"));
  EXPECT_THAT(log, Contains(StartsWith("profile of epoch 4: ")));
  EXPECT_THAT(log, Not(Contains(StartsWith("profile of epoch 2: "))));
  EXPECT_EQ(digest, cluster_->Train(QuickJob("straight", {"train.epochs=4"})));
  EXPECT_THAT(HistoryColumn(cluster_->Path("continued"), "epoch"), ElementsAre("1", "2", "3", "4"));
  for (const std::string column : {"train_loss", "val_rmse", "l2_penalty", "learning_rate"}) {
    EXPECT_EQ(HistoryColumn(cluster_->Path("continued"), column),
              HistoryColumn(cluster_->Path("straight"), column));
  }
}

TEST_F(Run, AChangedResultFieldIsRefusedByName) {
  const std::string rate = "optimizer.adam.learning_rate=";
  const JobOptions first = QuickJob("first", {"train.epochs=1", rate + "0.001"});
  const std::string digest = cluster_->Train(first);
  ExpectRefused(QuickJob("first", {"train.epochs=2", rate + "0.003"}),
                cluster_->Path("first") +
                    " was trained with optimizer.adam.learning_rate 0.001, not 0.003: choose "
                    "another --run");
  EXPECT_EQ(cluster_->Digest("first"), digest);
}

TEST_F(Run, ASecondJobOnALiveRunFolderIsRefused) {
  JobOptions options = QuickJob(
      "live", {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"});
  options.launcher = Launcher::kMpirun;
  options.ranks = 2;
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  const pid_t coordinator = job->FindRank(0);
  for (const Launcher launcher : {Launcher::kAlone, Launcher::kMpirun}) {
    JobOptions second = options;
    second.launcher = launcher;
    second.ranks = launcher == Launcher::kAlone ? 1 : 2;
    const Process::Result refused = cluster_->Run(second);
    EXPECT_EQ(refused.exit_code, kExitUserInput);
    EXPECT_THAT(refused.errors,
                StartsWith("cfworker: " + cluster_->Path("live") + " is in use by process " +
                           std::to_string(coordinator) + " on host "));
    EXPECT_THAT(refused.errors, EndsWith(": wait for it, stop it, or choose another --run\n"));
    EXPECT_EQ(std::count(refused.errors.begin(), refused.errors.end(), '\n'), 1);
  }

  // The first has heard nothing of it.
  job->launcher().Signal(SIGUSR1);
  const Process::Result stopped = job->Wait();
  EXPECT_EQ(stopped.exit_code, kExitContinue) << stopped.errors;
  EXPECT_THAT(stopped.output, HasSubstr("stopped at epoch "));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

TEST_F(Run, TheLastSnapshotsAreKept) {
  JobOptions options = QuickJob("kept", {"train.epochs=5", "snapshot.keep=3",
                                         "snapshot.every_steps=25", "snapshot.copies_mib=0"});
  ASSERT_EQ(cluster_->Run(options).exit_code, kExitFinished);
  // Every epoch has been the best, so the last one is.
  EXPECT_THAT(cluster_->Manifests("kept"),
              ElementsAre("g000001-s000000000160.manifest", "g000001-s000000000175.manifest",
                          "g000001-s000000000200.manifest"));
  EXPECT_EQ(cluster_->Digest("kept", "best"), cluster_->Digest("kept"));
}

TEST_F(Run, MoreThreadsOrRanksThanPartitionsAreRefused) {
  JobOptions options = QuickJob("crowded");
  options.flags = {"--threads", "17"};
  ExpectRefused(options,
                "cluster.threads is 17; expected at most train.partitions (16), as each takes a "
                "partition");
  const std::string cure =
      " compute threads for 16 partitions: start fewer ranks or --threads, or raise "
      "train.partitions (another model)\n";
  options.launcher = Launcher::kMpirun;
  options.ranks = 3;
  options.flags = {"--threads", "6"};
  const Process::Result threads = cluster_->Run(options);
  EXPECT_EQ(threads.exit_code, kExitUserInput);
  EXPECT_EQ(threads.errors, "cfworker: 18" + cure);
  options.ranks = 17;
  options.flags = {};
  const Process::Result ranks = cluster_->Run(options);
  EXPECT_EQ(ranks.exit_code, kExitUserInput);
  EXPECT_EQ(ranks.errors, "cfworker: 17" + cure);
}

TEST_F(Run, AModelThatDoesNotFitIsOneLine) {
  const Process::Result by_host = cluster_->Run({.run = "too_large", .flags = {"--memory", "1"}});
  EXPECT_EQ(by_host.exit_code, kExitUserInput);
  EXPECT_EQ(by_host.output, "");
  EXPECT_THAT(by_host.errors,
              MatchesRegex("cfworker: rank 0 needs at least ([0-9]+) MiB, [0-9]+ of them for its "
                           "samples, [^\n]+ and may use 1 MiB: give it [0-9]+ [^\n]+\n"));
  const Process::Result by_user =
      cluster_->Run({.run = "too_large", .set = {"cluster.memory_mib=1"}});
  EXPECT_EQ(by_user.exit_code, kExitUserInput);
  EXPECT_EQ(by_user.errors, by_host.errors) << "the older name of the budget";
}

TEST_F(Run, AMissingDataSetIsOneLine) {
  JobOptions options = QuickJob("nothing");
  options.data = cluster_->Path("none");
  ExpectRefused(options, cluster_->Path("none") +
                             ": not a data set (no manifest.textproto); cfdata import makes one");
}

TEST_F(Run, AMisspeltFieldIsOneLine) {
  const std::string config = cluster_->Path("misspelt.textproto");
  std::ofstream(config) << "split { given {} }\noptimizer {\n  adam { lerning_rate: 0.1 }\n}\n";
  JobOptions options = QuickJob("nothing");
  options.config = config;
  ExpectRefused(
      options,
      config + ":3:10: no field \"lerning_rate\" in Adam; did you mean \"learning_rate\"?");
}

TEST_F(Run, PrintConfigPrintsAWholeJob) {
  const std::string config = CF_SOURCE_DIR "/configs/ml_100k_u1_biased_mf.textproto";
  const Process::Result printed =
      RunProgram("cfworker", {config, "--print-config", "--set", "train.epochs=3"});
  EXPECT_EQ(printed.exit_code, kExitFinished) << printed.errors;
  EXPECT_THAT(printed.output, HasSubstr("  epochs: 3\n"));
  EXPECT_THAT(printed.output, HasSubstr("  partitions: 16\n"));  // A default.
  const std::string again = cluster_->Path("printed.textproto");
  std::ofstream(again) << printed.output;
  EXPECT_EQ(RunProgram("cfworker", {again, "--print-config"}).output, printed.output);
}

TEST_F(Run, NoCarriageReturnInAFile) {
  for (const Launcher launcher : {Launcher::kAlone, Launcher::kMpirun, Launcher::kCfrun}) {
    const std::string run = "lines" + std::to_string(static_cast<int>(launcher));
    JobOptions options = QuickJob(run, {"train.epochs=2"});
    options.launcher = launcher;
    options.ranks = launcher == Launcher::kAlone ? 1 : 2;
    const Process::Result result = cluster_->Run(options);
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    EXPECT_EQ(result.errors, "");
    EXPECT_THAT(result.output, HasSubstr("\nEpoch 2/2 40/40 "));
    EXPECT_THAT(result.output, Not(HasSubstr("\r")));
    EXPECT_EQ(ReadFile(cluster_->Path(run) + "/log.txt").value_or(""), result.output);
  }
}

// The rate rises until the training diverges, epochs after the first snapshot.
const std::vector<std::string>& Diverging() {
  static const std::vector<std::string> settings = {
      "optimizer.sgd.learning_rate=1e17", "optimizer.schedule.warm_up_steps=100000000000000000",
      "snapshot.every_epochs=1", "early_stopping.patience=0", "train.epochs=30"};
  return settings;
}

// Goal: a job that diverges says so once, is not tried again, and leaves a snapshot to go on from.
TEST_F(Run, ATrainingThatDivergesNamesStepAndTablesAndKeepsTheLastGoodSnapshot) {
  for (const Launcher launcher : {Launcher::kAlone, Launcher::kCfrun}) {
    const bool alone = launcher == Launcher::kAlone;
    JobOptions options = QuickJob(alone ? "diverging" : "diverging_cfrun", Diverging());
    options.launcher = launcher;
    options.ranks = alone ? 1 : 2;
    const Process::Result result = cluster_->Run(options);
    EXPECT_EQ(result.exit_code, kExitFailed);
    EXPECT_THAT(result.errors,
                MatchesRegex("cfworker: rank [01] refused the gradient of row [0-9]+ of table "
                             "(users|items) \\(raw id [0-9]+\\) in step [0-9]+, which is not "
                             "finite; lower the learning rate, or set "
                             "optimizer.on_bad_gradient=SKIP \\(the last snapshot stays\\)\n"));
    EXPECT_THAT(ReadFile(cluster_->Path(options.run + "/verdict")).value(),
                HasSubstr("cause: failed"));
    const Process::Result verified =
        RunProgram("cfsnapshot", {"verify", cluster_->SnapshotPath(options.run)});
    EXPECT_EQ(verified.exit_code, kExitFinished) << verified.errors;
    const Process::Result evaluated =
        RunProgram("cfsnapshot", {"evaluate", cluster_->SnapshotPath(options.run)});
    EXPECT_EQ(evaluated.exit_code, kExitFinished) << evaluated.errors;
    EXPECT_THAT(evaluated.output, Not(HasSubstr("nan")));
    EXPECT_THAT(evaluated.output, Not(HasSubstr("inf")));
  }
}

// Goal: weights that an epoch's only step makes infinite are not committed, though its loss and all
// of its gradients were finite, and a resume meets what it left.
TEST_F(Run, WeightsThatAreNotFiniteAtAnEpochsEndAreNotCommitted) {
  const JobOptions options =
      QuickJob("overflowing", {"optimizer.sgd.learning_rate=3e38", "train.batch_size=100000",
                               "model.matrix_factorization.reduction=SUM"});
  for (int life = 0; life < 2; ++life) {
    const Process::Result result = cluster_->Run(options);
    EXPECT_EQ(result.exit_code, kExitFailed);
    EXPECT_THAT(result.errors, MatchesRegex("cfworker: not finite by step 1: row [0-9]+ of table "
                                            "users, row [0-9]+ of table items; lower the learning "
                                            "rate \\(no snapshot yet\\)\n"));
    EXPECT_TRUE(cluster_->Manifests("overflowing").empty());
  }
}

/// A data set in which user 7 has one rating of 1e38.
std::string WritePoisonedData(const std::string& folder) {
  std::string csv = "userId,movieId,rating\n";
  for (int user = 1; user <= 40; ++user) {
    for (int item = 1; item <= 20; ++item) {
      const bool bad = user == 7 && item == 3;
      csv += absl::StrCat(user, ",", item, ",", bad ? "1e38" : absl::StrCat(1 + user * item % 5),
                          "\n");
    }
  }
  EXPECT_TRUE(WriteFileAtomically(folder + "/poisoned.csv", csv).ok());
  const Process::Result imported = RunProgram(
      "cfdata", {"import", "--ratings", folder + "/poisoned.csv", "--out", folder + "/poisoned"});
  EXPECT_EQ(imported.exit_code, kExitFinished) << imported.errors;
  return folder + "/poisoned";
}

// Goal: one rating that poisons what it touches ends the job with the user's raw id, or costs that
// user's and that item's steps alone.
TEST_F(Run, ARatingThatMakesABadGradientIsNamedOrSkipped) {
  const std::string data = WritePoisonedData(cluster_->folder());
  JobOptions options =
      QuickJob("poisoned", {"split.random.fraction=1e-6", "model.matrix_factorization.mean=false",
                            "model.matrix_factorization.link=IDENTITY"});
  options.data = data;
  const Process::Result stopped = cluster_->Run(options);
  EXPECT_EQ(stopped.exit_code, kExitFailed);
  EXPECT_THAT(stopped.errors,
              MatchesRegex("cfworker: rank 0 refused the gradient of row [0-9]+ of table users "
                           "\\(raw id 7\\) in step [0-9]+, which is not finite; .*\n"));
  options.set.push_back("optimizer.on_bad_gradient=SKIP");
  const Process::Result skipped = cluster_->Run(options);
  EXPECT_EQ(skipped.exit_code, kExitFinished) << skipped.errors;
  EXPECT_THAT(skipped.output, HasSubstr("such gradients are skipped"));
  EXPECT_THAT(skipped.output, HasSubstr("gradients were skipped"));
  EXPECT_EQ(RunProgram("cfsnapshot", {"verify", cluster_->SnapshotPath("poisoned")}).exit_code,
            kExitFinished);
}

}  // namespace
}  // namespace cf::run_test
