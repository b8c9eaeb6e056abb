#include "launch/output_relay.h"

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

#include "common/base/status.h"

namespace cf {
namespace {

// errno where not all could be written.
int WriteWhole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd room = {.fd = file, .events = POLLOUT, .revents = 0};
      ::poll(&room, 1, -1);  // Somebody else has made it one that does not wait.
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace

absl::StatusOr<OutputRelay> OutputRelay::Open(int to, Sieve sieve) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "pipe");
  OutputRelay relay(to, ends[0], ends[1], ::eventfd(0, EFD_CLOEXEC),
                    ::memfd_create("kept", MFD_CLOEXEC));
  if (relay.wake_ < 0 || relay.kept_ < 0) return ErrnoError(errno, "eventfd or memfd");
  const pid_t parent = ::getpid();
  relay.process_ = ::fork();
  if (relay.process_ < 0) return ErrnoError(errno, "fork");
  if (relay.process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(0);
    ::close(relay.writer_);
    ::_exit(relay.Carry(sieve));
  }
  return relay;
}

OutputRelay::OutputRelay(OutputRelay&& other) noexcept
    : to_(other.to_),
      reader_(std::exchange(other.reader_, -1)),
      writer_(std::exchange(other.writer_, -1)),
      wake_(std::exchange(other.wake_, -1)),
      kept_(std::exchange(other.kept_, -1)),
      error_(other.error_),
      process_(std::exchange(other.process_, -1)) {
}

OutputRelay::~OutputRelay() {
  Finish();
  for (const int file : {reader_, writer_, wake_, kept_}) {
    if (file >= 0) ::close(file);
  }
}

void OutputRelay::CloseWriter() {
  ::close(std::exchange(writer_, -1));
}

int OutputRelay::Finish() {
  if (process_ < 0) return error_;
  const std::uint64_t one = 1;
  while (::write(wake_, &one, sizeof one) < 0 && errno == EINTR) {
  }
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  error_ = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
  return error_;
}

std::string OutputRelay::kept() const {
  std::string text;
  char buffer[4096];
  for (;;) {
    // Read by place: the process that carries appends meanwhile.
    const ssize_t got = ::pread(kept_, buffer, sizeof buffer, static_cast<off_t>(text.size()));
    if (got <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(got));
  }
}

// errno of what could not be written.
int OutputRelay::Pass(const Sifted& sifted, bool wanted) const {
  WriteWhole(kept_, sifted.kept);
  return wanted ? WriteWhole(to_, sifted.passed) : 0;
}

// errno of what was lost.
int OutputRelay::Carry(const Sieve& sieve) const {
  char buffer[1 << 16];
  bool wanted = true;
  bool waiting = true;
  bool more = true;
  int lost = 0;
  while (more) {
    pollfd looked[] = {{.fd = reader_, .events = POLLIN, .revents = 0},
                       {.fd = wake_, .events = POLLIN, .revents = 0}};
    if (::poll(looked, waiting ? 2 : 1, waiting ? -1 : 0) < 0 && errno != EINTR) return lost;
    more = looked[0].revents != 0 || waiting;
    if (more && looked[1].revents != 0) waiting = false;
    if (more && looked[0].revents == 0) continue;
    const ssize_t got = more ? ::read(reader_, buffer, sizeof buffer) : 0;
    if (got < 0 && errno == EINTR) continue;
    more = got > 0;
    const std::string_view bytes = {buffer, static_cast<std::size_t>(more ? got : 0)};
    const Sifted sifted = sieve ? sieve(bytes, !more) : Sifted{.passed = std::string(bytes)};
    const int error = Pass(sifted, wanted);
    wanted = wanted && error == 0;
    if (error != 0 && error != EPIPE) lost = error;
  }
  return lost;
}

bool IsReaderGone(int descriptor) {
  pollfd looked = {.fd = descriptor, .events = 0, .revents = 0};
  return ::poll(&looked, 1, 0) == 1 && (looked.revents & POLLERR) != 0;
}

}  // namespace cf
