// Goal: where a rank dies, hangs or stops under cfrun, or another process joins, the others go on in
// their own processes, to the bits of an undisturbed run; where they cannot, the job is started again as ever, and one that kills
// rank after rank ends. Method: real jobs, SIGKILL and SIGSTOP at moments that the run folder shows;
// that the processes stay is seen by their ids.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"
#include "tests/support/process.h"

namespace cf::survive_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

/// A process that wants to join a job.
class Joiner {
 public:
  explicit Joiner(const std::string& run, std::vector<std::string> flags = {})
      : process_(Command(run, std::move(flags))) {}

  pid_t pid() const { return process_.pid(); }
  bool Says(const std::string& text) const {
    return Eventually([&] { return process_.ErrorsSoFar().find(text) != std::string::npos; });
  }
  Process::Result Wait() { return process_.Wait(); }

 private:
  static std::vector<std::string> Command(const std::string& run, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {CF_BIN_DIR "/cfworker", "--join", run});
    return flags;
  }

  Process process_;
};

class Survive : public KilledJobTest {
 protected:
  static JobOptions JobOf(const std::string& run, int ranks) {
    JobOptions options = KilledJob(run);
    options.launcher = Launcher::kCfrun;
    options.ranks = ranks;
    return options;
  }

  // One that lasts, so that others find it running: every step takes longer.
  static JobOptions SlowJobOf(const std::string& run, int ranks) {
    JobOptions options = JobOf(run, ranks);
    options.environment = {{"CF_FAULTS", "train.turn,pause,for=10,times=1000000"}};
    return options;
  }

  static std::string LogOf(const std::string& run) {
    return ReadFile(cluster_->Path(run) + "/log.txt").value_or("");
  }

  static void Kill(const ClusterJob& job, int rank, int signal = SIGKILL) {
    const pid_t process = job.FindRank(rank);
    ASSERT_GT(process, 0) << "rank " << rank << " has ended before its time";
    ::kill(process, signal);
  }

  static std::map<int, pid_t> ProcessesOf(const ClusterJob& job, const std::vector<int>& ranks) {
    std::map<int, pid_t> processes;
    for (const int rank : ranks) processes[rank] = job.FindRank(rank);
    return processes;
  }

  // Whether all threads of the process have stopped.
  static bool StandsStill(pid_t process) {
    std::error_code error;
    const std::string tasks = "/proc/" + std::to_string(process) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
      const std::string stat = ReadFile(task.path() / "stat").value_or("");
      if (stat.find(") T ") == std::string::npos) return false;
    }
    return !error;
  }

  // The line of the log that says who goes on.
  static std::string Goes(int left, int of, int loss) {
    return std::to_string(left) + " of " + std::to_string(of) + " ranks go on in place (" +
           std::to_string(loss) + " of 3)";
  }

  // The job ends well, and as if nothing had been.
  static void CheckEnd(ClusterJob& job, const std::string& run, const std::string& digest) {
    const Process::Result result = job.Wait();
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    EXPECT_THAT(result.errors, AllOf(Not(HasSubstr("starting again")), Not(HasSubstr("was lost"))));
    EXPECT_TRUE(job.WaitUntilNoneIsLeft());
    EXPECT_EQ(cluster_->Digest(run), digest);
    EXPECT_EQ(HistoryColumn(cluster_->Path(run), "epoch"),
              (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  }

  // Has a process join a job while its last rank stands still, so that it cannot end before.
  static void CheckJoin(const JobOptions& options, const std::string& digest) {
    const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
    ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
    const int last = options.ranks - 1;
    const std::map<int, pid_t> others = ProcessesOf(*job, {0, last});
    Kill(*job, last, SIGSTOP);
    Joiner joiner(cluster_->Path(options.run));
    ASSERT_TRUE(joiner.Says("waits to join")) << joiner.Wait().errors;
    Kill(*job, last, SIGCONT);
    ASSERT_TRUE(job->WaitForLog("1 rank joins on ")) << job->Wait().errors;
    ASSERT_TRUE(joiner.Says("is rank ")) << joiner.Wait().errors;
    EXPECT_EQ(ProcessesOf(*job, {0, last}), others);
    CheckEnd(*job, options.run, digest);
    EXPECT_EQ(joiner.Wait().exit_code, kExitFinished);
  }
};

TEST_F(Survive, TheDeathOfAFollower) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("follower", 3));
  ASSERT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
  const std::map<int, pid_t> others = ProcessesOf(*job, {0, 2});
  Kill(*job, 1);
  ASSERT_TRUE(job->WaitForLog(Goes(2, 3, 1))) << job->Wait().errors;
  EXPECT_EQ(ProcessesOf(*job, {0, 2}), others);
  CheckEnd(*job, "follower", *digest_);
  EXPECT_THAT(LogOf("follower"),
              AllOf(ContainsRegex("\nrank 1 on [^ ]+ was lost: [^\n]*; " /* as Goes */
                                  "2 of 3 ranks go on in place \\(1 of 3\\)\nresuming from "),
                    // Those of the five partitions that were lost.
                    ContainsRegex("\n  rows: [0-9,]+ kept, [0-9,]+ put back, 82[01] loaded\n"),
                    Not(HasSubstr("2 of 3)\n"))));
}

// The neighbour of a rank at the end of the row keeps more than its part until the next snapshot, behind
// which nothing is trained that would have to be put back.
TEST_F(Survive, ALossAfterWhichBalanceReturns) {
  const std::string partitions = "train.partitions=32";
  JobOptions undisturbed = RestOfKilledJob("balance_undisturbed");
  undisturbed.launcher = Launcher::kAlone;
  undisturbed.set.push_back(partitions);
  const std::string digest = cluster_->Train(undisturbed);
  JobOptions options = JobOf("balance", 3);
  options.set.push_back(partitions);
  options.flags = {"--threads", "1"};
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const std::map<int, pid_t> others = ProcessesOf(*job, {0, 1});
  Kill(*job, 2);
  ASSERT_TRUE(job->WaitForLog("partitions are dealt evenly again")) << job->Wait().errors;
  EXPECT_EQ(ProcessesOf(*job, {0, 1}), others);
  CheckEnd(*job, "balance", digest);
  const std::string line =
      "partitions are dealt evenly again after a loss, 16 a thread at most "
      "instead of 18; 2 ranks go on in place\n";
  const std::string log = LogOf("balance");
  EXPECT_THAT(log, AllOf(HasSubstr(Goes(2, 3, 1)), HasSubstr(line + "resuming from ")));
  EXPECT_THAT(log.substr(std::min(log.size(), log.find(line))),
              ContainsRegex("\n  rows: [0-9,]+ kept, 0 put back, [0-9,]+ loaded\n"));
  EXPECT_EQ(log.find(line), log.rfind(line)) << "once for a loss";
}

// Leading passes on twice, and so does the claim.
TEST_F(Survive, TheDeathsOfTwoLeadersInOneJob) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("leaders", 4));
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const std::map<int, pid_t> others = ProcessesOf(*job, {2, 3});
  Kill(*job, 0);
  ASSERT_TRUE(job->WaitForLog(Goes(3, 4, 1))) << job->Wait().errors;
  ASSERT_TRUE(job->WaitForSnapshot(75)) << job->Wait().errors;
  Kill(*job, 1);
  ASSERT_TRUE(job->WaitForLog("2 of 3 ranks go on in place")) << job->Wait().errors;
  EXPECT_EQ(ProcessesOf(*job, {2, 3}), others);
  CheckEnd(*job, "leaders", *digest_);
}

TEST_F(Survive, TheDeathOfOneOfTwoBeforeThereIsASnapshot) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("start", 2));
  ASSERT_TRUE(job->WaitForLog("steps an epoch")) << job->Wait().errors;
  Kill(*job, 0);
  ASSERT_TRUE(job->WaitForLog("1 of 2 ranks go on in place")) << job->Wait().errors;
  CheckEnd(*job, "start", *digest_);
}

// While a snapshot is being written, or has just been renamed.
TEST_F(Survive, TheDeathOfTheLeaderWhileASnapshotIsCommitted) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("commit", 3));
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const std::string rows = cluster_->SnapshotPath("commit", "rows");
  const auto newest_file = [&rows] {
    std::string newest;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(rows, error)) {
      newest = std::max(newest, entry.path().filename().string());
    }
    return newest.substr(0, newest.find("-p"));
  };
  ASSERT_TRUE(Eventually([&] {
    return cluster_->Manifests("commit").back().substr(0, newest_file().size()) < newest_file();
  }));
  Kill(*job, 0);
  ASSERT_TRUE(job->WaitForLog(Goes(2, 3, 1))) << job->Wait().errors;
  CheckEnd(*job, "commit", *digest_);
}

// Whoever takes the lost partitions reads their files, and finds that; the others then put back what has
// changed since the snapshot before.
TEST_F(Survive, ADeathAfterWhichTheNewestSnapshotIsNotWhole) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("damaged", 3));
  ASSERT_TRUE(job->WaitForSnapshot(45)) << job->Wait().errors;
  // The leader commits nothing while it stands still.
  const pid_t leader = job->FindRank(0);
  Kill(*job, 0, SIGSTOP);
  ASSERT_TRUE(Eventually([leader] { return StandsStill(leader); }));
  const std::string newest = cluster_->Manifests("damaged").back();
  int damaged = 0;
  for (const auto& entry :
       std::filesystem::directory_iterator(cluster_->SnapshotPath("damaged", "rows"))) {
    // Of 16 partitions the second of three ranks has 5 to 9.
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(newest.substr(0, newest.find('.')) + "-p00007-")) continue;
    std::string contents = ReadFile(entry.path()).value();
    contents[contents.size() / 2] = static_cast<char>(contents[contents.size() / 2] ^ 1);
    ASSERT_TRUE(ReplaceFile(entry.path(), contents).ok());
    ++damaged;
  }
  ASSERT_EQ(damaged, 1);
  Kill(*job, 1);
  ::kill(leader, SIGCONT);
  ASSERT_TRUE(job->WaitForLog("snapshot " + newest + " is not whole")) << job->Wait().errors;
  CheckEnd(*job, "damaged", *digest_);
  EXPECT_THAT(LogOf("damaged"),
              ContainsRegex("\n  rows: [0-9,]+ kept, [0-9,]+ put back, 82[01] loaded\n"));
}

TEST_F(Survive, DeathsWithBlocks) {
  JobOptions undisturbed = RestOfKilledJob("blocks_undisturbed");
  undisturbed.launcher = Launcher::kAlone;
  undisturbed.set.emplace_back("train.schedule=BLOCKS");
  const std::string digest = cluster_->Train(undisturbed);
  JobOptions options = JobOf("blocks", 4);
  options.set.emplace_back("train.schedule=BLOCKS");
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  Kill(*job, 2);
  ASSERT_TRUE(job->WaitForLog(Goes(3, 4, 1))) << job->Wait().errors;
  Kill(*job, 0);
  ASSERT_TRUE(job->WaitForLog("2 of 3 ranks go on in place")) << job->Wait().errors;
  CheckEnd(*job, "blocks", digest);
}

// A process that has stopped is silent, and a majority goes on. When it wakes, its generation is over.
TEST_F(Survive, ARankThatStopsAndWakesWhenTheOthersHaveGoneOn) {
  JobOptions options = JobOf("stopped", 3);
  options.set.emplace_back("cluster.timeout_seconds=2");
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const pid_t stopped = job->FindRank(1);
  Kill(*job, 1, SIGSTOP);
  ASSERT_TRUE(job->WaitForLog("2 of 3 ranks go on in place")) << job->Wait().errors;
  Kill(*job, 1, SIGCONT);
  EXPECT_TRUE(Eventually([stopped] { return !IsAlive(stopped); })) << "it has not left";
  CheckEnd(*job, "stopped", *digest_);
}

// The last that is left can be missed by nobody but its keeper.
TEST_F(Survive, NotAStopOfTheOnlyRankThatIsLeft) {
  JobOptions options = JobOf("last", 2);
  options.set.emplace_back("cluster.timeout_seconds=1");
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  Kill(*job, 1, SIGKILL);
  ASSERT_TRUE(job->WaitForLog("1 of 2 ranks go on in place")) << job->Wait().errors;
  Kill(*job, 0, SIGSTOP);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors,
              AllOf(ContainsRegex("cfworker: process [0-9]+ was stopped for 3 s, and is ended\n"),
                    HasSubstr("; starting again from the last snapshot")));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  EXPECT_EQ(cluster_->Digest("last"), *digest_);
}

// mpirun ends all ranks then, if they have not ended before, and that is no request.
TEST_F(Survive, TheDeathOfAKeeper) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("keeper", 3));
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const pid_t keeper = job->FindKeeper(1);
  ASSERT_GT(keeper, 0);
  ::kill(keeper, SIGKILL);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  EXPECT_EQ(cluster_->Digest("keeper"), *digest_);
}

// With less than half of its ranks a job is started again, to have all of them.
TEST_F(Survive, NotTheDeathOfMostRanks) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("most", 3));
  ASSERT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
  Kill(*job, 1);
  ASSERT_TRUE(job->WaitForLog(Goes(2, 3, 1))) << job->Wait().errors;
  Kill(*job, 2);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors,
              HasSubstr("; not in place, as 1 of 3 ranks are left; starting again from the last "));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  EXPECT_EQ(cluster_->Digest("most"), *digest_);
}

// One joins while a rank stands still, so that the job cannot end before; then a rank is lost, and another
// joins in its place.
TEST_F(Survive, ProcessesThatJoin) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(SlowJobOf("join", 3));
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const std::map<int, pid_t> others = ProcessesOf(*job, {0, 1, 2});
  Kill(*job, 2, SIGSTOP);
  Joiner first(cluster_->Path("join"));
  ASSERT_TRUE(first.Says("waits to join")) << first.Wait().errors;
  Kill(*job, 2, SIGCONT);
  ASSERT_TRUE(job->WaitForLog("1 rank joins on ")) << job->Wait().errors;
  ASSERT_TRUE(first.Says("is rank ")) << first.Wait().errors;
  EXPECT_EQ(ProcessesOf(*job, {0, 1, 2}), others);
  Kill(*job, 1);
  ASSERT_TRUE(job->WaitForLog("3 of 4 ranks go on in place (1 of 3)")) << job->Wait().errors;
  CheckEnd(*job, "join", *digest_);
  EXPECT_EQ(first.Wait().exit_code, kExitFinished);
  EXPECT_THAT(LogOf("join"),
              ContainsRegex("\n1 rank joins on [^\n]*; 4 ranks go on in place\nresuming from "));
  EXPECT_FALSE(std::filesystem::exists(cluster_->Path("join") + "/cluster.join"));
}

TEST_F(Survive, AProcessThatJoinsAJobWithBlocks) {
  JobOptions undisturbed = RestOfKilledJob("join_blocks_undisturbed");
  undisturbed.launcher = Launcher::kAlone;
  undisturbed.set.emplace_back("train.schedule=BLOCKS");
  const std::string digest = cluster_->Train(undisturbed);
  JobOptions options = JobOf("join_blocks", 2);
  options.set.emplace_back("train.schedule=BLOCKS");
  options.environment = {{"CF_FAULTS", "train.block,pause,for=1,times=200"}};
  CheckJoin(options, digest);
}

// Its rows come and go, before it joins and after: neither two nor three ranks have room for theirs.
TEST_F(Survive, AProcessThatJoinsAJobWithRowsOnDisk) {
  const std::string data = cluster_->Path("many-users");
  const Process::Result made = RunProgram("cfdata", {"synth", "--users", "40000", "--items", "500",
                                                     "--ratings", "80000", "--out", data});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  const auto with_many_rows = [&data](JobOptions options) {
    options.config = "ml_1m_biased_mf";
    options.data = data;
    options.set.insert(
        options.set.end(),
        {"early_stopping.patience=0", "model.matrix_factorization.dim=64", "train.batch_size=400"});
    return options;
  };
  JobOptions undisturbed = with_many_rows(RestOfKilledJob("join_disk_undisturbed"));
  undisturbed.launcher = Launcher::kAlone;
  const std::string digest = cluster_->Train(undisturbed);
  JobOptions options = with_many_rows(JobOf("join_disk", 2));
  options.set.emplace_back("snapshot.every_steps=60");  // Each writes most of 40,000 rows.
  options.flags = {"--memory", "10", "--threads", "1"};
  CheckJoin(options, digest);
  const std::string on_disk = "rows of users and items come and go one by one";
  EXPECT_THAT(LogOf("join_disk"), ContainsRegex(on_disk + ".*\n1 rank joins on .*" + on_disk));
}

// It waits from the beginning, and has just the partitions that were lost.
TEST_F(Survive, ASpareThatTakesThePlaceOfALostRank) {
  JobOptions options = SlowJobOf("spare", 3);
  options.flags = {"--spares", "1"};
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  Kill(*job, 2, SIGSTOP);
  ASSERT_TRUE(Eventually(
      [&] { return job->launcher().ErrorsSoFar().find("waits to join") != std::string::npos; }));
  Kill(*job, 1);
  Kill(*job, 2, SIGCONT);
  ASSERT_TRUE(job->WaitForLog("2 of 3 ranks go on in place (1 of 3)")) << job->Wait().errors;
  ASSERT_TRUE(job->WaitForLog("; 3 ranks go on in place")) << job->Wait().errors;
  CheckEnd(*job, "spare", *digest_);
  EXPECT_THAT(LogOf("spare"),
              AllOf(ContainsRegex("1 of 3\\)\n(resuming from [^\n]*\n)?1 rank joins on "),
                    ContainsRegex("\n  rows: [0-9,]+ kept, [0-9,]+ put back, 82[01] loaded\n")));
}

// To more ranks, some of which leave again, as does one that mpirun has started.
TEST_F(Survive, AJobThatIsResized) {
  const auto resize = [](const char* ranks, const char* seconds) {
    return RunProgram("cfrun",
                      {"resize", cluster_->Path("resized"), "-n", ranks, "--wait", seconds});
  };
  const std::unique_ptr<ClusterJob> job = cluster_->Start(SlowJobOf("resized", 2));
  ASSERT_TRUE(job->WaitForSnapshot(15)) << job->Wait().errors;
  const pid_t follower = job->FindRank(1);
  Kill(*job, 1, SIGSTOP);
  EXPECT_THAT(resize("17", "0").errors,
              AllOf(HasSubstr("-n 17: train.partitions of "), HasSubstr(" is 16, and each ")));
  const Process::Result asked = resize("4", "0");
  EXPECT_EQ(asked.exit_code, kExitFinished) << asked.errors;
  EXPECT_THAT(asked.output,
              HasSubstr("goes on with 4 ranks from its next snapshot on; now it has 2\n"));
  ASSERT_TRUE(Eventually([&] {
    const std::string said = job->launcher().ErrorsSoFar();
    return said.find("waits to join") != said.rfind("waits to join");
  }));
  Kill(*job, 1, SIGCONT);
  const Process::Result grown = resize("4", "60");
  EXPECT_THAT(grown.output, HasSubstr("/resized has 4 ranks\n")) << grown.errors;
  Kill(*job, 1, SIGSTOP);
  EXPECT_EQ(resize("1", "0").exit_code, kExitFinished);
  Kill(*job, 1, SIGCONT);
  ASSERT_TRUE(job->WaitForLog("3 ranks leave; 1 rank goes on in place")) << job->Wait().errors;
  EXPECT_TRUE(Eventually([follower] { return !IsAlive(follower); }));
  CheckEnd(*job, "resized", *digest_);
}

// All of them at once leave nobody who could say so.
TEST_F(Survive, NotTheDeathOfAllRanks) {
  const std::unique_ptr<ClusterJob> job = cluster_->Start(JobOf("all", 2));
  ASSERT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
  const std::map<int, pid_t> processes = ProcessesOf(*job, {0, 1});
  for (const auto& [rank, process] : processes) ASSERT_GT(process, 0);
  for (const auto& [rank, process] : processes) ::kill(process, SIGKILL);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors, HasSubstr("; starting again from the last snapshot (1 of 3)\n"));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  EXPECT_EQ(cluster_->Digest("all"), *digest_);
}

// A loss in place is one of the deaths that a job may have without a new snapshot.
TEST_F(Survive, NoMoreLossesThanRestarts) {
  JobOptions options = JobOf("poison", 4);
  options.set.insert(options.set.end(), {"train.epochs=100000", "early_stopping.patience=0",
                                         "snapshot.every_epochs=0", "snapshot.every_steps=0"});
  options.flags = {"--restarts", "1"};
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  Kill(*job, 3);
  ASSERT_TRUE(job->WaitForLog("3 of 4 ranks go on in place (1 of 1)")) << job->Wait().errors;
  Kill(*job, 2);
  const Process::Result result = job->Wait();
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors,
              AllOf(HasSubstr("; not in place, as it is loss 2 without a new snapshot;"),
                    HasSubstr("giving up after 1 restarts without a new snapshot")));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

}  // namespace
}  // namespace cf::survive_test
