// Goal: a compute thread that hangs, in a process whose connections live, is noticed within
// cluster.progress_timeout_seconds; its rank is named, the job ends, and goes on from the last
// snapshot to the bits of an undisturbed one. Method: real jobs, one thread of which the test stops
// as a debugger does, so that all others of the process go on.

#include <chrono>
#include <csignal>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"
#include "tests/support/process.h"

namespace cf::hang_test {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr int kLimitSeconds = 3;
// What may pass until the end of the job, and less than what any other limit would take.
constexpr std::chrono::seconds kNoticed(30);

/// One thread of another process, stopped for the rest of its life, unless it could not be.
///
/// Owner:   the test.
/// Threads: one, beside its own: a debugger is a thread.
/// Invariants: the process's other threads run; the destructor kills the process.
class StoppedThread {
 public:
  StoppedThread(pid_t process, pid_t thread) : process_(process), thread_(thread) {
    std::future<bool> stopped = stopped_.get_future();
    debugger_ = std::thread([this] { Debug(); });
    is_stopped_ = stopped.get();
  }
  ~StoppedThread() {
    if (is_stopped_) ::kill(process_, SIGKILL);
    debugger_.join();
  }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

  bool is_stopped() const { return is_stopped_; }

 private:
  void Debug() {
    int status = 0;
    bool stopped = ::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0 &&
                   ::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
                   ::waitpid(thread_, &status, __WALL) == thread_ && WIFSTOPPED(status);
    if (stopped && !ComputesOrSleeps()) {
      ::ptrace(PTRACE_DETACH, thread_, nullptr, nullptr);
      stopped = false;
    }
    stopped_.set_value(stopped);
    // The thread's end is reported to its debugger before its parent hears of it.
    while (stopped && ::waitpid(thread_, &status, __WALL) == thread_ && WIFSTOPPED(status)) {
    }
  }

  // In no call of the kernel but a wait. In the middle of sending it would have the connection's
  // lock, and no thread of its process could get on: a real hang is in a call that may last.
  bool ComputesOrSleeps() const {
    const std::vector<std::string> call = LinesOf("/proc/" + std::to_string(process_) + "/task/" +
                                                  std::to_string(thread_) + "/syscall");
    return call.size() == 1 &&
           (call[0].starts_with("-1 ") || call[0].starts_with(std::to_string(SYS_futex) + " "));
  }

  const pid_t process_;
  const pid_t thread_;
  std::promise<bool> stopped_;
  std::thread debugger_;
  bool is_stopped_ = false;
};

class Hang : public KilledJobTest {
 protected:
  static void SetLimit(JobOptions& options) {
    options.set.push_back("cluster.progress_timeout_seconds=" + std::to_string(kLimitSeconds));
  }

  static std::string LineOf(int rank, int thread = 0) {
    return "rank " + std::to_string(rank) + " on [^ ]+ was lost: thread " + std::to_string(thread) +
           " has been [a-z ]+ for [0-9]+ s without a [a-z]+";
  }

  struct Victim {
    int rank = 0;
    int thread = 0;  // The first lives as long as its process, the second for a command.
  };

  // Null where the thread has ended before it could be stopped, or was not where it can hang.
  static std::unique_ptr<StoppedThread> Stop(pid_t process, int thread) {
    pid_t found = process;
    if (thread > 0) {
      const std::string tasks = "/proc/" + std::to_string(process) + "/task";
      std::error_code error;
      found = 0;
      for (const auto& task : std::filesystem::directory_iterator(tasks, error)) {
        if (LinesOf(task.path() / "comm") == std::vector<std::string>{"cf-compute"}) {
          found = std::stoi(task.path().filename());
        }
      }
      if (found == 0) return nullptr;
    }
    auto stopped = std::make_unique<StoppedThread>(process, found);
    return stopped->is_stopped() ? std::move(stopped) : nullptr;
  }

  // A job of cfrun of which one thread hangs once, after a snapshot.
  // Either all ranks are started again, or the others go on in place.
  static void CheckHang(const std::string& run, int ranks, const Victim& victim, bool in_place) {
    JobOptions options = KilledJob(run);
    options.launcher = Launcher::kCfrun;
    options.ranks = ranks;
    options.flags = {"--threads", victim.thread > 0 ? "2" : "1"};
    if (!in_place) options.flags.emplace_back("--no-survival");
    SetLimit(options);
    const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
    ASSERT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
    const pid_t process = job->FindRank(victim.rank);
    ASSERT_GT(process, 0);
    std::unique_ptr<StoppedThread> stopped;
    ASSERT_TRUE(Eventually([&] { return (stopped = Stop(process, victim.thread)) != nullptr; }));
    const std::string log = cluster_->Path(run) + "/log.txt";
    const auto is_noticed = [&] {
      const std::string errors = job->launcher().ErrorsSoFar();
      return (in_place ? ReadFile(log).value_or("").find("go on in place")
                       : errors.find("starting again")) != std::string::npos;
    };
    EXPECT_TRUE(Eventually(is_noticed, kNoticed));
    const Process::Result result = job->Wait();
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    const std::string line = LineOf(victim.rank, victim.thread);
    if (in_place) {
      EXPECT_THAT(ReadFile(log).value_or(""),
                  AllOf(ContainsRegex(line + "; 2 of 3 ranks go on in place \\(1 of 3\\)\n"),
                        Not(HasSubstr("(2 of 3)"))));
      EXPECT_EQ(result.errors, "");
    } else {
      EXPECT_THAT(result.errors,
                  AllOf(ContainsRegex("cfworker: " + line + "\n"),
                        ContainsRegex("cfrun: " + line +
                                      "; starting again from the last snapshot \\(1 of 3\\)\n"),
                        Not(HasSubstr("(2 of 3)"))));
    }
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
    EXPECT_EQ(cluster_->Digest(run), *digest_);
    EXPECT_EQ(HistoryColumn(cluster_->Path(run), "epoch"),
              (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  }
};

TEST_F(Hang, OfAFollowerIsNoticedAndTheJobGoesOn) {
  CheckHang("follower", 3, {.rank = 2}, /*in_place=*/false);
}

TEST_F(Hang, OfTheSecondThreadOfARankIsNoticedAndTheJobGoesOn) {
  CheckHang("second", 3, {.rank = 1, .thread = 1}, /*in_place=*/true);
}

TEST_F(Hang, OfTheLeaderIsNoticedAndTheJobGoesOn) {
  CheckHang("leader", 3, {.rank = 0}, /*in_place=*/true);
}

TEST_F(Hang, OfTheOnlyRankIsNoticedAndTheJobGoesOn) {
  CheckHang("alone", 1, {.rank = 0}, /*in_place=*/false);
}

TEST_F(Hang, EndsAJobThatNobodyStartsAgain) {
  JobOptions options{
      .ranks = 3,
      .run = "endless",
      .set = {"train.epochs=100000", "early_stopping.patience=0", "snapshot.every_epochs=0"}};
  SetLimit(options);
  const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
  ASSERT_TRUE(job->WaitForLog("Epoch 1/")) << job->Wait().errors;
  const pid_t process = job->FindRank(1);
  ASSERT_GT(process, 0);
  std::unique_ptr<StoppedThread> stopped;
  ASSERT_TRUE(Eventually([&] { return (stopped = Stop(process, 0)) != nullptr; }));
  const Process::Result result = job->launcher().Wait(kNoticed);
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors, MatchesRegex("cfworker: " + LineOf(1) + "\n"));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

}  // namespace
}  // namespace cf::hang_test
