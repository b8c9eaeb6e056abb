// Goal: a keeper that somebody stops goes on, and a job that is stopped as a whole stays so. Method:
// processes of the test's in the places of mpirun, keeper and rank.

#include "launch/stopped_keepers.h"

#include <chrono>
#include <csignal>
#include <sched.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "common/base/files.h"
#include "launch/rank_keeper.h"

namespace cf::stopped_keepers_test {
namespace {

using std::chrono::seconds;

class StoppedKeepersTest : public ::testing::Test {
 protected:
  StoppedKeepersTest() {
    int pipe[2];
    EXPECT_EQ(::pipe(pipe), 0);
    keeper_ = ::fork();
    if (keeper_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::prctl(PR_SET_NAME, kKeeperName);
      const pid_t rank = ::fork();
      if (rank > 0 && ::write(pipe[1], &rank, sizeof rank) != sizeof rank) ::_exit(1);
      for (;;) ::pause();
    }
    EXPECT_EQ(::read(pipe[0], &rank_, sizeof rank_), static_cast<ssize_t>(sizeof rank_));
    ::close(pipe[0]);
    ::close(pipe[1]);
  }
  ~StoppedKeepersTest() override {
    // Its number is not another's before the keeper is gone, who never waits for it.
    ::kill(rank_, SIGKILL);
    ::kill(keeper_, SIGKILL);
    ::waitpid(keeper_, nullptr, 0);
  }

  static void Stop(pid_t process) {
    ::kill(process, SIGSTOP);
    const std::string stat = "/proc/" + std::to_string(process) + "/stat";
    while (ReadFile(stat).value().find(") T ") == std::string::npos) ::sched_yield();
  }
  // Whether the keeper was woken since it was last asked.
  bool IsWoken() const {
    int status = 0;
    return ::waitpid(keeper_, &status, WCONTINUED | WNOHANG) == keeper_ && WIFCONTINUED(status);
  }
  void LookAt(int second) { keepers_.Look(::getpid(), begin_ + seconds(second)); }

  pid_t keeper_ = 0;
  pid_t rank_ = 0;
  StoppedKeepers keepers_;
  const StoppedKeepers::Clock::time_point begin_ = StoppedKeepers::Clock::now();
};

TEST_F(StoppedKeepersTest, OneIsWokenAtTheSecondLook) {
  LookAt(0);
  EXPECT_FALSE(IsWoken()) << "it runs";
  Stop(keeper_);
  LookAt(1);
  EXPECT_FALSE(IsWoken()) << "its rank may be about to be stopped, too";
  LookAt(1);
  EXPECT_FALSE(IsWoken()) << "no time has passed";
  LookAt(2);
  EXPECT_TRUE(IsWoken());
}

TEST_F(StoppedKeepersTest, OneWhoseRankIsDeadIsWoken) {
  Stop(keeper_);
  ::kill(rank_, SIGKILL);
  LookAt(1);
  LookAt(2);
  EXPECT_TRUE(IsWoken());
}

TEST_F(StoppedKeepersTest, OneWhoseRankIsStoppedIsLeftAlone) {
  Stop(rank_);
  Stop(keeper_);
  for (int second = 1; second < 4; ++second) LookAt(second);
  EXPECT_FALSE(IsWoken());
}

// What is no keeper's is nobody's business here.
TEST_F(StoppedKeepersTest, OthersAreLeftAlone) {
  const pid_t other = ::fork();
  if (other == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) ::pause();
  }
  ::kill(other, SIGSTOP);
  ASSERT_EQ(::waitpid(other, nullptr, WUNTRACED), other);
  for (int second = 1; second < 4; ++second) LookAt(second);
  EXPECT_EQ(::waitpid(other, nullptr, WCONTINUED | WNOHANG), 0);
  ::kill(other, SIGKILL);
  ::waitpid(other, nullptr, 0);
}

}  // namespace
}  // namespace cf::stopped_keepers_test
