// Goal: a compute thread that hangs, in a process whose connections live, is noticed within
// cluster.progress_timeout_seconds; its rank is named, the job ends, and goes on from the last
// snapshot to the bits of an undisturbed one. Method: real jobs, one thread of which the test stops
// as a debugger does, so that all others of the process go on.

#include <cerrno>
#include <chrono>
#include <csignal>
#include <future>
#include <memory>
#include <string>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/status.h"
#include "tests/support/cluster.h"
#include "tests/support/kill_scenario.h"
#include "tests/support/process.h"

namespace cf {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr int kLimitSeconds = 3;
// What may pass until the end of the job, and less than what any other limit would take.
constexpr std::chrono::seconds kNoticed(30);

/// One thread of another process, stopped for the rest of its life.
///
/// Owner:   the test.
/// Threads: one, beside its own: a debugger is a thread.
/// Invariants: the process's other threads run; the destructor kills the process.
class StoppedThread {
 public:
  explicit StoppedThread(pid_t thread) : thread_(thread) {
    std::future<bool> stopped = stopped_.get_future();
    debugger_ = std::thread([this] { Debug(); });
    is_stopped_ = stopped.get();
  }
  ~StoppedThread() {
    ::kill(thread_, SIGKILL);
    debugger_.join();
  }
  StoppedThread(const StoppedThread&) = delete;
  StoppedThread& operator=(const StoppedThread&) = delete;

  bool is_stopped() const { return is_stopped_; }

 private:
  void Debug() {
    int status = 0;
    const bool stopped = ::ptrace(PTRACE_SEIZE, thread_, nullptr, nullptr) == 0 &&
                         ::ptrace(PTRACE_INTERRUPT, thread_, nullptr, nullptr) == 0 &&
                         ::waitpid(thread_, &status, __WALL) == thread_ && WIFSTOPPED(status);
    stopped_.set_value(stopped);
    // The thread's end is reported to its debugger before its parent hears of it.
    while (stopped && ::waitpid(thread_, &status, __WALL) == thread_ && WIFSTOPPED(status)) {
    }
  }

  const pid_t thread_;
  std::promise<bool> stopped_;
  std::thread debugger_;
  bool is_stopped_ = false;
};

class Hang : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    cluster_ = new Cluster;
    digest_ = new std::string(KillOracle(*cluster_));
  }
  static void TearDownTestSuite() {
    delete cluster_;
    delete digest_;
  }

  static void SetLimit(JobOptions& options) {
    options.set.push_back("cluster.progress_timeout_seconds=" + std::to_string(kLimitSeconds));
  }

  static std::string LineOf(int rank) {
    return "rank " + std::to_string(rank) +
           " on [^ ]+ was lost: thread 0 has been [a-z ]+ for [0-9]+ s without a [a-z]+";
  }

  // A job of cfrun whose rank `victim` hangs once, after a snapshot.
  static void CheckHang(const std::string& run, int ranks, int victim) {
    JobOptions options = KilledJob(run);
    options.launcher = Launcher::kCfrun;
    options.ranks = ranks;
    SetLimit(options);
    const std::unique_ptr<ClusterJob> job = cluster_->Start(options);
    ASSERT_TRUE(job->WaitForSnapshot(30)) << job->Wait().errors;
    const pid_t process = job->FindRank(victim);
    ASSERT_GT(process, 0);
    const StoppedThread thread(process);  // The first, which computes.
    ASSERT_TRUE(thread.is_stopped());
    EXPECT_TRUE(Eventually(
        [&] { return job->launcher().ErrorsSoFar().find("starting again") != std::string::npos; },
        kNoticed));
    const Process::Result result = job->Wait();
    EXPECT_EQ(result.exit_code, kExitFinished) << result.errors;
    EXPECT_THAT(result.errors,
                AllOf(ContainsRegex("cfworker: " + LineOf(victim) + "\n"),
                      ContainsRegex("cfrun: " + LineOf(victim) +
                                    "; starting again from the last snapshot \\(1 of 3\\)\n"),
                      Not(HasSubstr("(2 of 3)"))));
    EXPECT_TRUE(job->WaitUntilNoneIsLeft());
    EXPECT_EQ(cluster_->Digest(run), *digest_);
    EXPECT_EQ(HistoryColumn(cluster_->Path(run), "epoch"),
              (std::vector<std::string>{"1", "2", "3", "4"}));
  }

  static Cluster* cluster_;
  static std::string* digest_;
};

Cluster* Hang::cluster_ = nullptr;
std::string* Hang::digest_ = nullptr;

TEST_F(Hang, OfAFollowerIsNoticedAndTheJobGoesOn) {
  CheckHang("follower", 3, 2);
}

TEST_F(Hang, OfTheLeaderIsNoticedAndTheJobGoesOn) {
  CheckHang("leader", 3, 0);
}

TEST_F(Hang, OfTheOnlyRankIsNoticedAndTheJobGoesOn) {
  CheckHang("alone", 1, 0);
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
  const StoppedThread thread(process);
  ASSERT_TRUE(thread.is_stopped());
  const Process::Result result = job->launcher().Wait(kNoticed);
  EXPECT_EQ(result.exit_code, kExitFailed);
  EXPECT_THAT(result.errors, MatchesRegex("cfworker: " + LineOf(1) + "\n"));
  EXPECT_TRUE(job->WaitUntilNoneIsLeft());
}

}  // namespace
}  // namespace cf
