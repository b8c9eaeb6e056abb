#include "launch/rank_keeper.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utility>

#include "common/base/status.h"

namespace cf {
namespace {

// What mpirun sends to a process, or passes on.
constexpr int kPassedOn[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGHUP, SIGCONT};

// How often it is looked whether a rank is still stopped.
constexpr timespec kLookPause = {.tv_sec = 1, .tv_nsec = 0};

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

}  // namespace

void RankKeeper::Keep(int rank, int from_rank, int mpirun) {
  ::prctl(PR_SET_NAME, kKeeperName);
  const sigset_t signals = SignalsToHear();
  Orders orders;
  const auto hear = [&] {
    Orders read;
    while (::read(from_rank, &read, sizeof(read)) == sizeof(read)) orders = read;
  };
  bool is_stopped = false;
  bool is_asked = false;
  int looks = 0;
  for (;;) {
    siginfo_t info = {};
    const int signal =
        is_stopped ? ::sigtimedwait(&signals, &info, &kLookPause) : ::sigwaitinfo(&signals, &info);
    hear();
    // Looks are counted and not time, which passes where this process was stopped as well.
    if (signal < 0 && errno == EAGAIN && ++looks == orders.stopped_looks_max) {
      std::fprintf(stderr, "cfworker: process %d was stopped for %d s, and is ended\n", rank,
                   looks);
      ::kill(rank, SIGKILL);
    }
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      // A batch system signals every process, and a second SIGTERM would kill the rank.
      if (info.si_pid != mpirun) continue;
      is_asked = is_asked || signal == SIGUSR1;
      // cfrun asks for an end by SIGUSR1 first. Otherwise mpirun ends all ranks, as it has lost one or a
      // host, and a rank that ended in good order now would say that somebody had asked for it.
      ::kill(rank, signal == SIGTERM && !is_asked ? SIGKILL : signal);
      continue;
    }
    int status = 0;
    while (::waitpid(rank, &status, WNOHANG | WUNTRACED | WCONTINUED) == rank) {
      is_stopped = WIFSTOPPED(status);
      looks = 0;
      if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));
      if (!WIFSIGNALED(status)) continue;
      hear();
      if (orders.is_spared) ::_exit(kExitFinished);
      DieOf(WTERMSIG(status));
    }
  }
}

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
    Keep(rank, pipe[0], mpirun);
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

RankKeeper::RankKeeper(RankKeeper&& other) noexcept
    : keeper_(std::exchange(other.keeper_, -1)), orders_(other.orders_) {
}

RankKeeper::~RankKeeper() {
  if (keeper_ >= 0) ::close(keeper_);
}

void RankKeeper::Spare(bool could) {
  orders_.is_spared = could;
  Send();
}

void RankKeeper::EndWhenStopped(std::chrono::seconds limit) {
  orders_.stopped_looks_max = static_cast<int>(limit.count() / kLookPause.tv_sec);
  Send();
}

void RankKeeper::Send() const {
  // A keeper that is gone takes this process with it.
  if (::write(keeper_, &orders_, sizeof(orders_)) < 0) return;
}

}  // namespace cf
