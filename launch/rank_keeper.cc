#include "launch/rank_keeper.h"

#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "common/base/status.h"

namespace cf {
namespace {

// What mpirun sends to a process, or passes on.
constexpr int kPassedOn[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGCONT};

sigset_t SignalsToHear() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGCHLD);
  for (const int signal : kPassedOn) ::sigaddset(&signals, signal);
  return signals;
}

// Whether this process is to die with its parent from now on; it may have died before.
bool DieWith(pid_t parent) {
  return ::prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && ::getppid() == parent;
}

// The last that the rank has said.
bool IsSpared(int rank) {
  bool spared = false;
  char said = 0;
  while (::read(rank, &said, 1) == 1) spared = said != 0;
  return spared;
}

// As the rank did, so that mpirun can say of what.
[[noreturn]] void DieOf(int signal) {
  const rlimit no_core = {};
  ::setrlimit(RLIMIT_CORE, &no_core);
  std::signal(signal, SIG_DFL);
  sigset_t alone;
  ::sigemptyset(&alone);
  ::sigaddset(&alone, signal);
  ::kill(::getpid(), signal);
  ::sigprocmask(SIG_UNBLOCK, &alone, nullptr);
  ::_exit(128 + signal);  // Nobody dies of this one.
}

[[noreturn]] void Keep(pid_t rank, int from_rank, pid_t mpirun, const sigset_t& signals) {
  ::prctl(PR_SET_NAME, "cf-keeper");
  for (;;) {
    siginfo_t info = {};
    const int signal = ::sigwaitinfo(&signals, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      // A batch system signals every process, and a second SIGTERM would kill the rank.
      if (info.si_pid == mpirun) ::kill(rank, signal);
      continue;
    }
    int status = 0;
    if (::waitpid(rank, &status, WNOHANG) != rank) continue;
    if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
    if (IsSpared(from_rank)) ::_exit(kExitFinished);
    DieOf(WTERMSIG(status));
  }
}

}  // namespace

absl::StatusOr<RankKeeper> RankKeeper::Fork() {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC | O_NONBLOCK) != 0) return ErrnoError(errno, "pipe");
  const pid_t mpirun = ::getppid();
  // Blocked, none of them can come between.
  const sigset_t signals = SignalsToHear();
  sigset_t before;
  ::sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t keeper = ::getpid();
  const pid_t rank = ::fork();
  const int error = errno;
  if (rank > 0) {
    ::close(pipe[1]);
    if (!DieWith(mpirun)) ::_exit(kExitFailed);
    Keep(rank, pipe[0], mpirun, signals);
  }
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  ::close(pipe[0]);
  if (rank < 0) {
    ::close(pipe[1]);
    return ErrnoError(error, "fork");
  }
  RankKeeper kept(pipe[1]);
  // What mpirun sends comes once, from the keeper.
  ::setpgid(0, 0);
  if (!DieWith(keeper)) return absl::AbortedError("mpirun ended");
  return kept;
}

RankKeeper::RankKeeper(RankKeeper&& other) noexcept : keeper_(std::exchange(other.keeper_, -1)) {
}

RankKeeper::~RankKeeper() {
  if (keeper_ >= 0) ::close(keeper_);
}

void RankKeeper::Spare(bool could) const {
  const char said = could ? 1 : 0;
  // A keeper that is gone takes this process with it.
  if (::write(keeper_, &said, 1) < 0) return;
}

}  // namespace cf
