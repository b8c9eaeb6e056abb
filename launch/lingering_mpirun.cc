#include "launch/lingering_mpirun.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/files.h"

namespace cf {
namespace {

// What mpirun may take to end once a rank has.
constexpr int kGraceMs = 8000;

// Whether the process behind `handle` ends in time.
bool EndsWithin(int handle, int milliseconds) {
  pollfd ended = {.fd = handle, .events = POLLIN, .revents = 0};
  int found = 0;
  do {
    found = ::poll(&ended, 1, milliseconds);
  } while (found < 0 && errno == EINTR);
  return found != 0;
}

}  // namespace

bool IsMpirun(pid_t process) {
  const std::string name =
      ReadFile("/proc/" + std::to_string(process) + "/comm").value_or(std::string());
  return name == "mpirun\n" || name == "orterun\n" || name == "mpiexec\n";
}

void EndLingeringMpirun() {
  const char* place = std::getenv("OMPI_COMM_WORLD_LOCAL_RANK");
  const pid_t mpirun = ::getppid();
  if (place == nullptr || std::string(place) != "0" || !IsMpirun(mpirun)) return;
  // A handle, since the number of a process that has ended may come back.
  const int handle = static_cast<int>(::syscall(SYS_pidfd_open, mpirun, 0));
  if (handle < 0) return;
  if (::fork() != 0) {
    ::close(handle);
    return;
  }
  // Nothing but system calls from here on: other threads may have held any lock. mpirun ends the
  // group of a rank, and waits for the end of what a rank's output can come from.
  ::setsid();
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, file);
  for (int file = STDERR_FILENO + 1; file < 4096; ++file) {
    if (file != handle) ::close(file);
  }
  // It is ending the job already, and crashes with a page of text where it is asked to do so again.
  if (!EndsWithin(handle, kGraceMs)) {
    ::syscall(SYS_pidfd_send_signal, handle, SIGKILL, nullptr, 0);
  }
  ::_exit(0);
}

}  // namespace cf
