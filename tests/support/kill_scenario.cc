#include "tests/support/kill_scenario.h"

#include <algorithm>
#include <csignal>
#include <poll.h>
#include <random>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace cf {
namespace {

constexpr int kEpochs = 4;  // Of 40 steps: 80,000 training samples in batches of 2,000.
constexpr std::uint64_t kSnapshotSteps = 15;  // Mostly in the middle of an epoch.

// Waits for the end of `pid`, for `milliseconds` at most: an instant that no event marks.
void WaitForEnd(pid_t pid, int milliseconds) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return;
  pollfd end = {.fd = process, .events = POLLIN, .revents = 0};
  ::poll(&end, 1, milliseconds);
  ::close(process);
}

void CheckHistory(const TestCluster& cluster, const std::string& run) {
  EXPECT_EQ(HistoryColumn(cluster.Path(run), "epoch"),
            (std::vector<std::string>{"0", "1", "2", "3", "4"}));
}

}  // namespace

JobOptions KilledJob(const std::string& run) {
  JobOptions options = RestOfKilledJob(run);
  options.set.push_back("snapshot.every_steps=" + std::to_string(kSnapshotSteps));
  return options;
}

JobOptions RestOfKilledJob(const std::string& run) {
  return {.run = run, .set = {"train.epochs=" + std::to_string(kEpochs), "train.batch_size=2000"}};
}

std::string KillOracle(const TestCluster& cluster) {
  JobOptions undisturbed = RestOfKilledJob("undisturbed");  // Nor do snapshots change the result.
  undisturbed.launcher = Launcher::kAlone;
  return cluster.Train(undisturbed);
}

void CheckKill(const TestCluster& cluster, const KillScenario& scenario,
               const std::string& digest) {
  SCOPED_TRACE("seed " + std::to_string(scenario.seed) + ", victim " +
               std::to_string(static_cast<int>(scenario.victim)) + ", moment " +
               std::to_string(static_cast<int>(scenario.moment)));
  // Of the generator only its bits, which the standard fixes.
  std::mt19937_64 generator(scenario.seed);
  const auto draw = [&generator](std::uint64_t below) { return generator() % below; };
  static int runs = 0;
  JobOptions options = KilledJob("killed" + std::to_string(runs++));
  options.ranks = 2 + static_cast<int>(draw(3));
  if (scenario.victim == Victim::kMpirunOfCfrun) {
    options.launcher = Launcher::kCfrun;
    options.flags = {"--restarts", "0"};
  }
  const bool goes_on = scenario.victim == Victim::kRankOfCfrun;
  if (goes_on) options.launcher = Launcher::kCfrun;
  const int victim_rank = static_cast<int>(draw(static_cast<std::uint64_t>(options.ranks)));
  // In the first half: the job has enough left to be caught.
  const std::uint64_t step = kSnapshotSteps * (1 + draw(4));
  const int delay_milliseconds = static_cast<int>(draw(20));

  {
    const std::unique_ptr<ClusterJob> job = cluster.Start(options);
    if (scenario.moment == Moment::kAfterSnapshot) {
      ASSERT_TRUE(job->WaitForSnapshot(step)) << job->Wait().errors;
      WaitForEnd(job->launcher().pid(), delay_milliseconds);
    } else {
      ASSERT_TRUE(job->WaitForLog("steps an epoch")) << job->Wait().errors;
    }
    const bool is_rank = scenario.victim == Victim::kRank || goes_on;
    const pid_t victim = is_rank ? job->FindRank(victim_rank) : job->FindMpirun();
    ASSERT_GT(victim, 0) << "the job ended before its time: " << job->Wait().errors;
    ::kill(victim, SIGKILL);
    const Process::Result result = job->Wait();
    EXPECT_EQ(result.exit_code == 0, goes_on) << result.errors;
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
  }

  if (goes_on) {
    EXPECT_EQ(cluster.Digest(options.run), digest) << "of " << options.ranks << " ranks";
    CheckHistory(cluster, options.run);
    return;
  }
  JobOptions rest = RestOfKilledJob(options.run);
  rest.ranks = 1 + options.ranks % 4;
  EXPECT_EQ(cluster.Train(rest), digest) << "resumed with " << rest.ranks << " ranks";
  if (scenario.moment == Moment::kAfterSnapshot) {
    const std::vector<std::string> log = LinesOf(cluster.Path(options.run) + "/log.txt");
    EXPECT_TRUE(std::any_of(log.begin(), log.end(), [](const std::string& line) {
      return line.starts_with("resuming from ");
    })) << "the snapshot was not used";
  }
  CheckHistory(cluster, options.run);
}

}  // namespace cf
