#include "launch/subprocess.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

// Starts `command` with its standard output into `output`, its standard error into `errors`.
absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, int output, int errors) {
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, errors, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::posix_spawnattr_setsigmask(&attributes, &blocked);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);

  pid_t child = 0;
  const int error = ::posix_spawnp(&child, words[0], &files, &attributes, words.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return ErrnoError(error, command[0]);
  return child;
}

// All that comes out of `input` until it is closed; false past the deadline.
bool ReadUntil(Clock::time_point deadline, int input, std::string& text) {
  char buffer[4096];
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return false;
    pollfd readable = {.fd = input, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
    const ssize_t got = ::read(input, buffer, sizeof buffer);
    if (got == 0) return true;
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
  }
}

std::string FirstLineOf(int file) {
  char buffer[1024];
  const ssize_t got = ::pread(file, buffer, sizeof buffer, 0);
  const std::string text(buffer, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
  return text.substr(0, text.find('\n'));
}

}  // namespace

absl::StatusOr<std::string> OutputOf(const std::vector<std::string>& command,
                                     std::chrono::seconds limit) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  // Read when the command has ended: it never waits for a reader.
  const int errors = ::memfd_create("errors", MFD_CLOEXEC);
  const absl::Cleanup close_readers = [&] {
    ::close(ends[0]);
    ::close(errors);
  };
  const absl::StatusOr<pid_t> child = Spawn(command, ends[1], errors);
  ::close(ends[1]);
  if (!child.ok()) return child.status();

  std::string text;
  const bool in_time = ReadUntil(Clock::now() + limit, ends[0], text);
  if (!in_time) ::kill(*child, SIGKILL);
  int status = 0;
  while (::waitpid(*child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    return absl::DeadlineExceededError(
        absl::StrCat(command[0], " did not answer within ", limit.count(), " s"));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return text;
  const std::string line = FirstLineOf(errors);
  return absl::InternalError(
      absl::StrCat(command[0], " failed", line.empty() ? "" : " (" + line + ")"));
}

}  // namespace cf
