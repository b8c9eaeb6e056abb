// A library that cfrun preloads into an mpirun whose ranks are all on this host. Open MPI 4.1 listens on
// every address of the host, whatever networks it is told to use (oob_tcp_if_include), for as long as
// the job lives; in here a socket that would be bound to every address is bound to loopback.

#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

// What mpirun starts is on its own: ranks listen where they are told to.
__attribute__((constructor)) void ForgetPreload() {
  ::unsetenv("LD_PRELOAD");
}

}  // namespace

extern "C" int bind(int file, const sockaddr* address, socklen_t size) noexcept {
  using Bind = int (*)(int, const sockaddr*, socklen_t);
  static const auto as_told = reinterpret_cast<Bind>(::dlsym(RTLD_NEXT, "bind"));
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in narrow = {};
    std::memcpy(&narrow, address, sizeof narrow);
    if (narrow.sin_addr.s_addr == htonl(INADDR_ANY)) {
      narrow.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    return as_told(file, reinterpret_cast<const sockaddr*>(&narrow), sizeof narrow);
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 narrow = {};
    std::memcpy(&narrow, address, sizeof narrow);
    if (IN6_IS_ADDR_UNSPECIFIED(&narrow.sin6_addr) != 0) narrow.sin6_addr = in6addr_loopback;
    return as_told(file, reinterpret_cast<const sockaddr*>(&narrow), sizeof narrow);
  }
  return as_told(file, address, size);
}
