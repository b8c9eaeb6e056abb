#include "launch/supervisor.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "launch/mpirun_text.h"
#include "launch/output_relay.h"
#include "launch/stopped_keepers.h"

namespace cf {
namespace {

// The signal that asks the ranks for a snapshot and a clean end; mpirun forwards it at once, which
// it does with no other that ends a job.
constexpr int kStopSignal = SIGUSR1;
// How often is looked at what no signal tells.
constexpr std::chrono::milliseconds kLookInterval(200);
// What mpirun may take to end once the job has: it tells the ranks, and waits for the last output.
constexpr std::chrono::seconds kGrace(6);
// What mpirun may take to end the ranks once it is told to.
constexpr std::chrono::seconds kKillGrace(3);
// Within what time of the first request another signal is the same one: a batch system, a service
// manager and a terminal that goes each send two or three in a row, and people the same one again.
constexpr std::chrono::seconds kSameRequest(5);
// What the processes that mpirun leaves behind may take.
constexpr std::chrono::seconds kOrphanGrace(1);
constexpr std::chrono::seconds kOrphanLimit(5);

using Clock = std::chrono::steady_clock;

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

// The next of `signals`, or nothing (-1) if none comes for a while.
int Next(const sigset_t& signals) {
  const timespec interval = {.tv_sec = 0,
                             .tv_nsec = std::chrono::nanoseconds(kLookInterval).count()};
  return ::sigtimedwait(&signals, nullptr, &interval);
}

// The pipes that take what mpirun and its ranks print.
struct Relays {
  OutputRelay output;
  OutputRelay errors;
};

// Turns the forked child into `command`; on failure reports errno through `report` and ends.
[[noreturn]] void Become(const std::vector<std::string>& command, pid_t parent,
                         const sigset_t& mask, const Relays* relays, int report) {
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
  if (relays != nullptr) {
    ::dup2(relays->output.writer(), STDOUT_FILENO);
    ::dup2(relays->errors.writer(), STDERR_FILENO);
    // Should this process be killed, mpirun ends its ranks, and must not die of its own last words.
    ::fcntl(relays->output.reader(), F_SETFD, 0);
    ::fcntl(relays->errors.reader(), F_SETFD, 0);
  }
  std::signal(SIGTTOU, SIG_IGN);
  std::signal(SIGPIPE, SIG_DFL);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(words[0], words.data());
  const int error = errno;
  // Nobody is left to tell if this fails too; the exit code says as much.
  if (::write(report, &error, sizeof error) < 0) ::_exit(kExitFailed);
  ::_exit(kExitFailed);
}

// Starts `command` and returns its process once it runs what it should. Without relays it prints where
// this process does.
absl::StatusOr<pid_t> Start(const std::vector<std::string>& command, const sigset_t& mask,
                            const Relays* relays) {
  int report[2];
  if (::pipe2(report, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  const absl::Cleanup close_reader = [&report] { ::close(report[0]); };
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) Become(command, parent, mask, relays, report[1]);
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

bool HasChild() {
  siginfo_t info = {};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// Waits for the processes that a dead mpirun has left to this one, and kills those that stay: the
// srun that started its daemons survives a killed mpirun, and not every Slurm would find it.
void EndOrphans() {
  const Clock::time_point begin = Clock::now();
  while (HasChild() && Clock::now() - begin < kOrphanLimit) {
    if (::waitpid(-1, nullptr, WNOHANG) > 0) continue;
    if (Clock::now() - begin > kOrphanGrace) {
      for (const pid_t child : ChildrenOf(::getpid())) ::kill(child, SIGKILL);
    }
    ::poll(nullptr, 0, 10);
  }
}

}  // namespace

Supervisor::Supervisor(OnRequest on_request) : on_request_(on_request), signals_(SignalsToHear()) {
  ::sigprocmask(SIG_BLOCK, &signals_, &inherited_);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
}

struct Supervisor::Ending {
  std::optional<Clock::time_point> over;  ///< Since when the job is over,
  std::optional<Clock::time_point> told;  ///< and since when mpirun is told to end, which
  bool hopeless = false;                  ///< it is because nothing would come of it.
};

// Tells mpirun to end where it should have, and kills it where it does not. Whether it is ended
// because nothing would come of it.
bool Supervisor::Escalate(const JobWatch& watch, pid_t job, Ending& ending) const {
  const Clock::time_point now = Clock::now();
  if (!ending.over.has_value() && watch.is_over()) ending.over = now;
  if (!ending.told.has_value() && step() > 1) ending.told = killed_;
  if (!ending.told.has_value()) {
    // A job that is over has come to something.
    ending.hopeless = !ending.over.has_value() && watch.is_hopeless();
    if (!ending.hopeless && !(ending.over.has_value() && now - *ending.over > kGrace)) return false;
    ending.told = now;
    ::kill(job, SIGTERM);  // Once: Open MPI 4.1 crashes at the second one, with a page of text.
  } else if (now - *ending.told > kKillGrace) {
    ::kill(job, SIGKILL);
  }
  return ending.hopeless;
}

absl::StatusOr<JobEnd> Supervisor::Run(const std::vector<std::string>& command,
                                       const JobWatch& watch) {
  std::fflush(stdout);  // What was said before comes first.
  absl::StatusOr<OutputRelay> output =
      OutputRelay::Open(STDOUT_FILENO, MpirunSieve(MpirunSieve::Stream::kOutput));
  if (!output.ok()) return output.status();
  absl::StatusOr<OutputRelay> errors =
      OutputRelay::Open(STDERR_FILENO, MpirunSieve(MpirunSieve::Stream::kErrors));
  if (!errors.ok()) return errors.status();
  Relays relays = {*std::move(output), *std::move(errors)};
  const absl::StatusOr<pid_t> job = Start(command, inherited_, &relays);
  if (!job.ok()) return job.status();
  relays.output.CloseWriter();
  relays.errors.CloseWriter();
  Ending ending;
  StoppedKeepers keepers;
  bool given_up = false;
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(*job, &status, WNOHANG | WUNTRACED);
    if (ended < 0) return ErrnoError(errno, "waiting for mpirun");
    if (ended == *job && WIFSTOPPED(status)) {
      // The ranks would go on until what they print is read by nobody, and hear of no request.
      ::kill(*job, SIGCONT);
      continue;
    }
    if (ended == *job) {
      // They are not waited for before, so these are still theirs.
      for (const pid_t helper : std::exchange(spawned_, {})) ::kill(helper, SIGTERM);
      if (const int error = relays.output.Finish(); error != 0) output_error_ = error;
      relays.errors.Finish();
      EndOrphans();
      const int code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
      return JobEnd{.exit_code = code,
                    .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                    .by_stop_signal = code == 128 + kStopSignal,
                    .killed = step() > 1,
                    .given_up = given_up,
                    .map = relays.output.kept(),
                    .errors = relays.errors.kept()};
    }
    if (watch.look) watch.look();
    keepers.Look(*job);
    given_up = Escalate(watch, *job, ending);
    Hear(Next(signals_), *job);
  }
}

absl::Status Supervisor::Spawn(const std::vector<std::string>& command) {
  const absl::StatusOr<pid_t> started = Start(command, inherited_, nullptr);
  if (!started.ok()) return started.status();
  spawned_.push_back(*started);
  return absl::OkStatus();
}

bool Supervisor::WaitUntil(const std::function<bool()>& holds, std::chrono::seconds limit) {
  const Clock::time_point deadline = Clock::now() + limit;
  while (!end_asked() && !holds()) {
    if (Clock::now() > deadline) return false;
    Hear(Next(signals_), 0);
  }
  return !end_asked();
}

std::optional<Clock::duration> Supervisor::since_asked() const {
  return end_asked() ? std::optional(Clock::now() - asked_) : std::nullopt;
}

void Supervisor::Hear(int signal, pid_t job) {
  if (signal <= 0 || signal == SIGCHLD) return;
  if (signal == kStopSignal && requests_ > 0) return;
  const bool is_other = requests_ == 1 && signal != first_signal_;
  if (is_other && Clock::now() - asked_ < kSameRequest) return;
  ++requests_;
  if (requests_ == 1) {
    first_signal_ = signal;
    asked_ = Clock::now();
  }
  if (step() == 2) killed_ = Clock::now();
  if (job == 0) return;
  switch (step()) {
    case 1:
      std::fputs("cfrun: asking for a snapshot and a clean end; once more kills the job\n", stderr);
      ::kill(job, kStopSignal);
      return;
    case 2:
      if (on_request_ == OnRequest::kAskTheJob) std::fputs("cfrun: killing the job\n", stderr);
      ::kill(job, SIGTERM);
      return;
    default:
      ::kill(job, SIGKILL);
  }
}

}  // namespace cf
