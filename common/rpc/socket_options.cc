#include "common/rpc/socket_options.h"

#include <initializer_list>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cf::rpc {
namespace {

constexpr int kBufferBytes = 4 << 20;

/// Tried on a socket of its own, since a refusal does harm: the kernel gives its (small) limit and
/// stops adapting the buffer, which by itself would grow to 4 MiB and more.
bool KernelGrants(int option) {
  const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  int size = kBufferBytes;
  socklen_t length = sizeof size;
  const bool granted = ::setsockopt(probe, SOL_SOCKET, option, &size, length) == 0 &&
                       ::getsockopt(probe, SOL_SOCKET, option, &size, &length) == 0 &&
                       size >= kBufferBytes;
  ::close(probe);
  return granted;
}

}  // namespace

void AskForLargeBuffers(int socket) {
  for (const int option : {SO_SNDBUF, SO_RCVBUF}) {
    if (KernelGrants(option)) {
      ::setsockopt(socket, SOL_SOCKET, option, &kBufferBytes, sizeof kBufferBytes);
    }
  }
}

void SendWithoutDelay(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace cf::rpc
