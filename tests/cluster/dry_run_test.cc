// Goal: `cfworker --dry-run` says what a job takes, leaves nothing behind, and is refused where the job
// would be.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/cluster.h"

namespace cf::dry_run_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;

class DryRun : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { cluster_ = new TestCluster; }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
  }

  static JobOptions Job(const std::string& run, std::vector<std::string> set = {},
                        Launcher launcher = Launcher::kAlone) {
    return {.launcher = launcher,
            .ranks = launcher == Launcher::kAlone ? 1 : 2,
            .run = run,
            .set = std::move(set),
            .flags = {"--dry-run"}};
  }

  static Process::Result Try(const JobOptions& options) {
    const Process::Result result = cluster_->Run(options);
    EXPECT_FALSE(std::filesystem::exists(cluster_->Path(options.run)))
        << "a dry run makes no run folder";
    EXPECT_FALSE(std::filesystem::exists(cluster_->folder() + "/scratch"));
    return result;
  }

  /// The number behind `words` in the text.
  static double NumberBehind(const std::string& text, const std::string& words) {
    const std::size_t at = text.find(words);
    double number = -1;
    if (at == std::string::npos) return number;
    const std::size_t begin = at + words.size();
    const std::string digits =
        text.substr(begin, text.find_first_not_of("0123456789.,", begin) - begin);
    EXPECT_TRUE(absl::SimpleAtod(absl::StrReplaceAll(digits, {{",", ""}}), &number)) << text;
    return number;
  }

  static TestCluster* cluster_;
};
TestCluster* DryRun::cluster_ = nullptr;

TEST_F(DryRun, TellsRowsMemoryDiskTrafficAndTime) {
  const Process::Result result = Try(Job("dry"));
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.output,
              AllOf(ContainsRegex("users +943 "), HasSubstr("memory: rank 0 takes "),
                    HasSubstr("all rows are in memory"), HasSubstr("disk: a snapshot takes "),
                    HasSubstr("traffic: 0.0 MiB"), HasSubstr("time: an epoch takes "),
                    HasSubstr("measured: this machine trains "), HasSubstr("its disk reads ")));
  EXPECT_GT(NumberBehind(result.output, "for rows and samples, and "),
            NumberBehind(result.output, "rank 0 takes "));
}

TEST_F(DryRun, OneRankOfSeveralSpeaks) {
  const Process::Result result = Try(Job("ranks", {}, Launcher::kMpirun));
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("ranks: 2, threads of each: 1"));
  const std::string memory = "memory: rank 0 takes";
  const std::size_t first = result.output.find(memory);
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(result.output.find(memory, first + 1), std::string::npos);
  EXPECT_GT(NumberBehind(result.output, "traffic: "), 1);
}

// Users on disk, as little memory as will do: what the plan says is what the job itself says.
TEST_F(DryRun, TellsWhatABudgetLeavesOnDisk) {
  const std::vector<std::string> set = {"train.schedule=BLOCKS", "train.partitions=64",
                                        "train.rounds=2", "train.epochs=1",
                                        "model.matrix_factorization.dim=1000"};
  JobOptions options = Job("budget", set);
  options.flags.insert(options.flags.end(), {"--memory", "2"});
  const double least = NumberBehind(Try(options).errors, "rank 0 needs at least ");
  ASSERT_GT(least, 2);
  const std::string budget = absl::StrCat(std::llround(least));
  options.flags.back() = budget;
  const Process::Result result = Try(options);
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  const double disk = NumberBehind(result.output, "users on disk take ");
  EXPECT_GT(disk, 1);
  EXPECT_NEAR(NumberBehind(result.output, "rank 0 reads ") / disk, 3, 0.1);
  options.flags = {"--memory", budget};
  const Process::Result trained = cluster_->Run(options);
  EXPECT_EQ(trained.exit_code, kExitFinished) << trained.errors;
  EXPECT_EQ(NumberBehind(trained.output, "the others ("), disk);
}

TEST_F(DryRun, IsRefusedWhereTheJobWouldBe) {
  JobOptions options = Job("refused", {"model.matrix_factorization.dim=1000"});
  options.flags.insert(options.flags.end(), {"--memory", "2"});
  const Process::Result result = Try(options);
  EXPECT_EQ(result.exit_code, kExitUserInput);
  EXPECT_THAT(result.errors, HasSubstr("rank 0 needs "));
  EXPECT_EQ(std::count(result.errors.begin(), result.errors.end(), '\n'), 1) << result.errors;
}

// The size of a snapshot, which no other work on the machine disturbs.
TEST_F(DryRun, ASnapshotIsAsLargeAsItSays) {
  const double said = NumberBehind(Try(Job("size")).output, "disk: a snapshot takes ");
  JobOptions options = Job("size", {"train.epochs=1"});
  options.flags.clear();
  cluster_->Train(options);
  const Process::Result info =
      RunProgram("cfsnapshot", {"info", cluster_->SnapshotPath("size"), "--format", "csv"});
  const double bytes = NumberBehind(info.output, "\nfiles.bytes,");
  ASSERT_GT(bytes, 0) << info.errors;
  EXPECT_NEAR(said, bytes / 1048576.0, 0.1);
}

}  // namespace
}  // namespace cf::dry_run_test
