#include "launch/supervisor.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {
namespace {

// The signal that asks the ranks for a snapshot and a clean end; mpirun forwards it at once, which
// it does with no other that ends a job.
constexpr int kStopSignal = SIGUSR1;

bool IsIgnored(int signal) {
  struct sigaction action = {};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// The signals to wait for: the end of mpirun and what asks for an end, except what this process was
// started to ignore (nohup, or a shell's background job): blocked, it would be delivered after all.
sigset_t SignalsToHear() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGCHLD);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    if (!IsIgnored(signal)) ::sigaddset(&signals, signal);
  }
  return signals;
}

// Turns the forked child into `command`; on failure reports errno through `report` and ends.
[[noreturn]] void Become(const std::vector<std::string>& command, pid_t parent,
                         const sigset_t& mask, int report) {
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  // SIGTERM rather than SIGKILL: mpirun then ends the ranks of other hosts too, and tidies up.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(kExitFailed);
  ::setpgid(0, 0);
  // Outside the terminal's foreground group, reading from it or (with tostop) writing to it would
  // stop mpirun.
  const int nothing = ::open("/dev/null", O_RDONLY);
  if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
  std::signal(SIGTTOU, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(words[0], words.data());
  const int error = errno;
  // Nobody is left to tell if this fails too; the exit code says as much.
  if (::write(report, &error, sizeof error) < 0) ::_exit(kExitFailed);
  ::_exit(kExitFailed);
}

// Starts `command` and returns its process once it runs what it should.
absl::StatusOr<pid_t> Start(const std::vector<std::string>& command, const sigset_t& mask) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  const absl::Cleanup close_reader = [&report] { ::close(report[0]); };
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) Become(command, parent, mask, report[1]);
  const int fork_error = errno;
  ::close(report[1]);
  if (child < 0) return ErrnoError(fork_error, "fork");

  int error = 0;
  ssize_t got = 0;
  do {
    got = ::read(report[0], &error, sizeof error);
  } while (got < 0 && errno == EINTR);
  if (got == 0) return child;  // The pipe was closed by a successful exec.
  ::waitpid(child, nullptr, 0);
  if (error == ENOENT) {
    return absl::NotFoundError(absl::StrCat(
        command[0], " is not on the PATH: ./launch/install-dependencies says how to install it"));
  }
  return ErrnoError(error, command[0]);
}

// Passes one more request to end on to `job`, and says on standard error what that means.
void AskToEnd(pid_t job, int times) {
  switch (times) {
    case 1:
      std::fputs("cfrun: asking for a snapshot and a clean end; once more kills the job\n", stderr);
      ::kill(job, kStopSignal);
      return;
    case 2:
      std::fputs("cfrun: killing the job\n", stderr);
      ::kill(job, SIGTERM);
      return;
    default:
      ::kill(job, SIGKILL);
  }
}

}  // namespace

absl::StatusOr<JobEnd> Supervise(const std::vector<std::string>& command) {
  const sigset_t signals = SignalsToHear();
  sigset_t mask;
  ::sigprocmask(SIG_BLOCK, &signals, &mask);
  const absl::StatusOr<pid_t> job = Start(command, mask);
  if (!job.ok()) return job.status();

  int asked = 0;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(*job, &status, WNOHANG);
    if (ended < 0) return ErrnoError(errno, "waiting for mpirun");
    if (ended == *job) {
      JobEnd end;
      end.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      end.stop_asked = asked > 0;
      end.by_stop_signal = end.exit_code == 128 + kStopSignal;
      end.killed = asked > 1;
      return end;
    }
    const int signal = ::sigwaitinfo(&signals, nullptr);
    if (signal > 0 && signal != SIGCHLD) AskToEnd(*job, ++asked);
  }
}

}  // namespace cf
