// Goal: a job that dies by itself under cfrun goes on by itself, to the bits of an undisturbed one,
// and one that cannot live is given up. Method: real jobs whose ranks or mpirun are killed; a
// worker that always dies is a shell script, as in cfrun_test.

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"
#include "tests/support/paths.h"

namespace cf::restart_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

class Restart : public KilledJobTest {
 protected:
  // Kills with SIGKILL, after a snapshot, whom `find` finds; the job ends well all the same.
  static std::string KillAndWait(const std::string& run, pid_t (*find)(const ClusterJob&)) {
    JobOptions options = KilledJob(run);
    options.launcher = Launcher::kCfrun;
    options.ranks = 3;
    options.flags = {"--no-survival"};
    const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
    EXPECT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
    const pid_t victim = find(*job);
    EXPECT_GT(victim, 0);
    if (victim > 0) ::kill(victim, SIGKILL);
    const Process::Result result = job->Wait();
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
    EXPECT_EQ(cluster_->Digest(run), *digest_);
    EXPECT_EQ(HistoryColumn(cluster_->Path(run), "epoch"),
              (std::vector<std::string>{"0", "1", "2", "3", "4"}));
    return result.errors;
  }
};

TEST_F(Restart, AfterTheDeathOfTheCoordinator) {
  EXPECT_THAT(KillAndWait("coordinator", [](const ClusterJob& job) { return job.FindRank(0); }),
              HasSubstr("; starting again from the last snapshot (1 of 3)\n"));
}

TEST_F(Restart, AfterTheDeathOfMpirun) {
  EXPECT_THAT(KillAndWait("mpirun", [](const ClusterJob& job) { return job.FindMpirun(); }),
              HasSubstr("; starting again from the last snapshot (1 of 3)\n"));
}

// A rank that is stopped before it meets the others, which wait for it inside MPI. Method: a script
// in cfworker's place stops rank 1, the first time.
TEST_F(Restart, AfterARankThatDoesNotCome) {
  const std::string folder = ::testing::TempDir() + "stopped_" + std::to_string(::getpid());
  std::filesystem::create_directories(folder);
  std::filesystem::copy(CF_BIN_DIR "/cfrun", folder + "/cfrun",
                        std::filesystem::copy_options::overwrite_existing);
  std::ofstream(folder + "/cfworker")
      << "#!/bin/bash\n"
      << "[[ $OMPI_COMM_WORLD_RANK == 1 ]] && mkdir " << folder
      << "/once 2> /dev/null && kill -STOP $$\nexec " CF_BIN_DIR "/cfworker \"$@\"\n";
  std::filesystem::permissions(folder + "/cfworker", std::filesystem::perms::owner_all);
  const Process::Result result =
      Process(
          {folder + "/cfrun", "-n", "3", CF_SOURCE_DIR "/configs/ml_100k_u1_bias_only.textproto",
           "--data", cluster_->Path("data"), "--run", cluster_->Path("stopped"), "--set",
           "train.epochs=1", "--meeting-seconds", "4"},
          OpenMpiEnvironment())
          .Wait();
  std::filesystem::remove_all(folder);
  EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
  EXPECT_THAT(result.errors, ::testing::MatchesRegex(
                                 "cfrun: rank 1 on [^ ]+ has not come to the meeting of the ranks "
                                 "within 4 s; starting again \\(1 of 3\\)\n"));
}

// A folder with cfrun beside a worker that takes the run as `life` says, and then dies.
class DyingJob : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = ::testing::TempDir() + "dying_" + std::to_string(::getpid());
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_ + "/run/generation");
    std::filesystem::copy(CF_BIN_DIR "/cfrun", folder_ + "/cfrun");
    std::ofstream(folder_ + "/cfworker") << R"sh(#!/bin/bash
cd "$(dirname "$0")/run"
echo life >> lives
end() { printf 'exit_code: %s\ncause: %s\nlaunch: %s\n' "$1" "$2" "$CF_LAUNCH" > part && mv part verdict; }
[[ $1 == begins* ]] && echo "launch: $CF_LAUNCH" > "generation/$(($(ls generation | wc -l) + 1))"
[[ $1 == begins_asked ]] && touch stop
# Its input is refused, which the first life does not come to.
[[ $1 == never_well && $(wc -l < lives) -gt 1 ]] && exit 2
[[ $1 == never_well ]] && kill -9 $PPID
[[ $1 == begins_failed ]] && end 1 failed
[[ $1 == begins_lost ]] && echo "cfworker: rank 1 on n1 was lost: it did not connect" >&2 && exit 1
[[ $1 == begins_signalled ]] && end 75 signal
[[ $1 == begins_failing ]] && end 75 signal && echo "cfworker: it did not welcome us" >&2 && exit 1
# Its input is gone once it was there.
[[ $1 == begins_well && $(wc -l < lives) -gt 1 ]] && exit 2
kill -9 $$
)sh";
    std::filesystem::permissions(folder_ + "/cfworker", std::filesystem::perms::owner_all);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Run(std::vector<std::string> words, int exit_code = kExitFailed) const {
    std::filesystem::remove(folder_ + "/run/lives");
    std::filesystem::remove(folder_ + "/run/stop");
    words.insert(words.begin(), {folder_ + "/cfrun", "-n", "1"});
    words.insert(words.end(), {"--run", folder_ + "/run"});
    const Process::Result result = Process(words).Wait();
    EXPECT_EQ(result.exit_code, exit_code);
    return result.errors;
  }
  std::size_t lives() const { return LinesOf(folder_ + "/run/lives").size(); }

  std::string folder_;
};

TEST_F(DyingJob, IsGivenUpWithoutProgress) {
  EXPECT_THAT(Run({"begins", "--restarts", "2"}),
              AllOf(HasSubstr("; starting again (1 of 2)\n"),
                    HasSubstr("; giving up after 2 restarts without a new snapshot: the same "
                              "command continues\n")));
  EXPECT_EQ(lives(), 3U);
}

TEST_F(DyingJob, IsGivenUpInTime) {
  EXPECT_THAT(Run({"begins", "--restart-minutes", "0"}),
              HasSubstr("; giving up after 0 minutes without a new snapshot"));
  EXPECT_EQ(lives(), 1U);
}

TEST_F(DyingJob, IsNotStartedAgainWhereThatIsOfNoUse) {
  // What has not begun, what was asked to stop, and what would fail again.
  EXPECT_THAT(Run({"dies_at_once"}), Not(HasSubstr("starting again")));
  EXPECT_EQ(lives(), 1U);
  EXPECT_THAT(Run({"begins_asked"}), HasSubstr("not started again, as it was asked to stop"));
  EXPECT_EQ(lives(), 1U);
  EXPECT_THAT(Run({"begins_failed"}), Not(HasSubstr("starting again")));
  EXPECT_EQ(lives(), 1U);
  EXPECT_THAT(Run({"begins", "--restarts", "0"}), HasSubstr("; not started again"));
  EXPECT_EQ(lives(), 1U);
}

// Where one is killed mpirun ends the others by a signal, and they may yet end as if somebody had asked.
TEST_F(DyingJob, IsStartedAgainWhereOnlyMpirunAskedForTheEnd) {
  EXPECT_THAT(Run({"begins_signalled", "--restarts", "1"}),
              ContainsRegex("cfrun: rank 0 on [^ ]+ was killed by signal 9 \\(Killed\\); starting "
                            "again \\(1 of 1\\)\n"));
  EXPECT_EQ(lives(), 2U);
  // Nor is one that has failed a request to the others.
  EXPECT_THAT(Run({"begins_failing", "--restarts", "1"}),
              HasSubstr("cfrun: it did not welcome us; starting again (1 of 1)\n"));
  EXPECT_EQ(lives(), 2U);
}

// Who did not connect after the meeting may come the next time.
TEST_F(DyingJob, IsStartedAgainWhereARankWasMissed) {
  EXPECT_THAT(
      Run({"begins_lost", "--restarts", "1"}),
      HasSubstr("cfrun: rank 1 on n1 was lost: it did not connect; starting again (1 of 1)"));
  EXPECT_EQ(lives(), 2U);
}

// What the machine does in mid-run is not what the user wrote.
TEST_F(DyingJob, IsStartedAgainWhereItsInputIsGone) {
  EXPECT_THAT(
      Run({"begins_well", "--restarts", "2"}),
      HasSubstr("cfrun: what was accepted before is refused now; starting again (2 of 2)\n"));
  EXPECT_EQ(lives(), 3U);
}

// What nobody has ever accepted would be refused again.
TEST_F(DyingJob, IsNotStartedAgainWhereItsInputWasNeverAccepted) {
  EXPECT_THAT(Run({"never_well", "--restarts", "3"}, kExitUserInput),
              AllOf(HasSubstr("; starting again (1 of 3)\n"), Not(HasSubstr("(2 of 3)"))));
  EXPECT_EQ(lives(), 2U);
}

}  // namespace
}  // namespace cf::restart_test
