// Goal: a job whose disk fails ends with one line that names the file and the reason, leaves its
// last snapshot whole, and goes on to the digest of an undisturbed job once the disk is well again. One
// whose disk takes no snapshot for a while goes on by itself.
// Method: real jobs with rows on disk, in whose processes calls on files fail from some call on
// (tests/support/file_faults.cc), after the first snapshot has been committed.

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/fault_option.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/paths.h"

namespace cf::disk_test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

struct Fault {
  std::string name;
  std::string call;  // read, write, open or sync,
  std::string path;  // of files with this in their paths,
  int error = 0;     // fails with this errno,
  int after = 0;     // when so many have succeeded.
};

// Both ways of having rows on disk.
struct Schedule {
  std::string name;
  std::vector<std::string> set;
  std::string memory;
};

const std::vector<Schedule>& Schedules() {
  static const std::vector<Schedule> all = {
      {"Blocks", {"train.schedule=BLOCKS", "train.partitions=16"}, "5"},
      {"Sync", {"train.schedule=SYNC", "train.batch_size=256"}, "12"}};
  return all;
}

class Disk : public ::testing::TestWithParam<std::tuple<Schedule, Fault>> {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new TestCluster;
    const Process::Result made =
        RunProgram("cfdata", {"synth", "--users", "30000", "--items", "500", "--ratings", "75000",
                              "--out", cluster_->Path("many-users")});
    ASSERT_EQ(made.exit_code, 0) << made.errors;
  }
  static void TearDownTestSuite() {
    delete cluster_;
    cluster_ = nullptr;
    digests_.clear();
  }

  static std::map<std::string, std::string> EnvironmentOf(const Fault& fault,
                                                          const std::string& run) {
    return {{"LD_PRELOAD", CF_FILE_FAULTS},
            {"CF_FAULT_CALL", fault.call},
            {"CF_FAULT_PATH", fault.path},
            {"CF_FAULT_ERROR", std::to_string(fault.error)},
            {"CF_FAULT_AFTER", std::to_string(fault.after)},
            {"CF_FAULT_WHEN", cluster_->SnapshotPath(run)}};
  }

  static JobOptions JobOf(const Schedule& schedule, const std::string& run) {
    JobOptions options = {.launcher = Launcher::kAlone,
                          .config = "ml_1m_biased_mf",
                          .data = cluster_->Path("many-users"),
                          .run = run,
                          .set = {"model.matrix_factorization.dim=32", "train.epochs=2",
                                  "early_stopping.patience=0", "snapshot.every_steps=40"},
                          .flags = {"--memory", schedule.memory}};
    options.set.insert(options.set.end(), schedule.set.begin(), schedule.set.end());
    return options;
  }

  // Of the job without a fault.
  static const std::string& DigestOf(const Schedule& schedule) {
    const auto [digest, is_new] = digests_.try_emplace(schedule.name);
    if (is_new) digest->second = cluster_->Train(JobOf(schedule, "whole-" + schedule.name));
    return digest->second;
  }

  static TestCluster* cluster_;
  static std::map<std::string, std::string> digests_;  // By schedule.
};
TestCluster* Disk::cluster_ = nullptr;
std::map<std::string, std::string> Disk::digests_;

TEST_P(Disk, FailsAndTheJobGoesOnToTheSameBits) {
  const auto& [schedule, fault] = GetParam();
  const std::string run = schedule.name + fault.name;
  JobOptions options = JobOf(schedule, run);
  options.environment = EnvironmentOf(fault, run);
  options.set.push_back("snapshot.give_up_seconds=0");
  const Process::Result failed = cluster_->Run(options);
  EXPECT_EQ(failed.exit_code, kExitFailed) << failed.output;
  EXPECT_THAT(failed.errors, AllOf(HasSubstr(fault.path), HasSubstr(std::strerror(fault.error))));
  EXPECT_EQ(std::ranges::count(failed.errors, '\n'), 1) << failed.errors;
  const Process::Result verified =
      RunProgram("cfsnapshot", {"verify", cluster_->SnapshotPath(run)});
  EXPECT_EQ(verified.exit_code, 0) << verified.output << verified.errors;

  EXPECT_EQ(cluster_->Train(JobOf(schedule, run)), DigestOf(schedule));
  EXPECT_TRUE(fs::is_empty(cluster_->Path(run) + "/scratch"));
}

const Fault kScratchFaults[] = {{"ScratchIsFull", "write", "/scratch/", ENOSPC, 3},
                                {"ScratchCannotBeWritten", "write", "/scratch/", EIO, 3},
                                {"ScratchCannotBeRead", "read", "/scratch/", EIO, 3}};
const Fault kSnapshotFaults[] = {{"SnapshotsAreFull", "write", "/snapshots/", ENOSPC, 3},
                                 {"SnapshotsCannotBeWritten", "write", "/snapshots/", EIO, 0},
                                 {"SnapshotsCannotBeSynced", "sync", "/snapshots/", EIO, 0},
                                 {"SnapshotsAreReadOnly", "open", "/snapshots/", EROFS, 0},
                                 {"SnapshotsMayNotBeOpened", "open", "/snapshots/", EACCES, 0},
                                 {"SnapshotsAreGone", "open", "/snapshots/rows/", ENOENT, 0}};

// What rows are on is opened before there is a snapshot.
TEST_F(Disk, WhoseRowsCannotBeOpenedIsNamedAndTheJobBeginsOnceTheyCan) {
  const Schedule& schedule = Schedules().front();
  const std::string run = "unopened";
  for (const int error : {EACCES, ENOENT, ENOSPC}) {
    const Fault fault = {"", "open", "/scratch/", error, 0};
    JobOptions options = JobOf(schedule, run);
    options.environment = EnvironmentOf(fault, run);
    options.environment.erase("CF_FAULT_WHEN");
    const Process::Result failed = cluster_->Run(options);
    EXPECT_NE(failed.exit_code, kExitFinished);
    EXPECT_THAT(failed.errors, AllOf(HasSubstr("/scratch"), HasSubstr(std::strerror(error))));
    EXPECT_EQ(std::ranges::count(failed.errors, '\n'), 1) << failed.errors;
  }
  EXPECT_EQ(cluster_->Train(JobOf(schedule, run)), DigestOf(schedule));
}

// Goal: a rank that is much slower than the others, whose partitions and item partitions wait for one
// another, holds nobody up for good. Method: one that pauses before each of its blocks.
TEST_F(Disk, OfASlowRankAmongFourMakesTheSameModel) {
  const Schedule& schedule = Schedules().front();
  JobOptions options = JobOf(schedule, "slow");
  options.launcher = Launcher::kMpirun;
  options.ranks = 4;
  options.flags = {"--memory", "3"};
  options.environment = {
      {"CF_FAULTS", "train.block,pause,for=3,times=1000000,with=OMPI_COMM_WORLD_RANK=2"}};
  const Process::Result result = cluster_->Run(options);
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.output, HasSubstr("partitions of users at once, the others"));
  EXPECT_EQ(cluster_->Digest("slow"), DigestOf(schedule));
}

TEST_F(Disk, TakesNoSnapshotForAWhileAndTheJobGoesOn) {
  const Schedule& schedule = Schedules().front();
  JobOptions options = JobOf(schedule, "hiccup");
  options.environment = EnvironmentOf(kSnapshotFaults[0], "hiccup");
  options.environment["CF_FAULT_TIMES"] = "3";
  const Process::Result result = cluster_->Run(options);
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_EQ(result.errors, "");
  EXPECT_THAT(result.output,
              AllOf(HasSubstr("a snapshot cannot be written and is tried again"),
                    HasSubstr(std::strerror(ENOSPC)), HasSubstr("snapshots can be written again")));
  EXPECT_EQ(cluster_->Digest("hiccup"), DigestOf(schedule));
}

// Goal: what a rank has on disk that is killed with its work done goes with the job, though nobody
// looks there again. Method: it is killed right behind its verdict.
TEST_F(Disk, NothingOfARankIsLeftThatIsKilledBehindTheEnd) {
#if CF_FAULT_POINTS
  const Schedule& schedule = Schedules().front();
  JobOptions options = JobOf(schedule, "killed");
  options.launcher = Launcher::kCfrun;
  const std::string passed = cluster_->Path("renames-verdict");
  const std::string killed = cluster_->Path("is-killed");
  options.environment = {{"CF_FAULTS", "file.rename,pause,in=killed/verdict,for=1,once=" + passed +
                                           ";path.sync,crash,in=killed,when=" + passed +
                                           ",once=" + killed}};
  const Process::Result result = cluster_->Run(options);
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_TRUE(fs::exists(killed));
  EXPECT_TRUE(fs::is_empty(cluster_->Path("killed") + "/scratch"));
  EXPECT_EQ(cluster_->Digest("killed"), DigestOf(schedule));
#else
  GTEST_SKIP() << "this build has no fault points";
#endif
}

std::string NameOf(const ::testing::TestParamInfo<std::tuple<Schedule, Fault>>& test) {
  return std::get<Schedule>(test.param).name + std::get<Fault>(test.param).name;
}
INSTANTIATE_TEST_SUITE_P(OfScratch, Disk,
                         ::testing::Combine(::testing::ValuesIn(Schedules()),
                                            ::testing::ValuesIn(kScratchFaults)),
                         NameOf);
// Snapshots are written alike, whatever the schedule.
INSTANTIATE_TEST_SUITE_P(OfSnapshots, Disk,
                         ::testing::Combine(::testing::Values(Schedules().front()),
                                            ::testing::ValuesIn(kSnapshotFaults)),
                         NameOf);

}  // namespace
}  // namespace cf::disk_test
