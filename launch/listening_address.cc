#include "launch/listening_address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/status.h"

namespace cf {
namespace {

constexpr char kLoopback[] = "127.0.0.1";

struct Interface {
  std::string name;
  std::string address;
  bool loopback = false;
};

std::string InFigures(const sockaddr* address) {
  char text[INET6_ADDRSTRLEN] = {};
  const void* bytes = &reinterpret_cast<const sockaddr_in*>(address)->sin_addr;
  if (address->sa_family == AF_INET6) {
    bytes = &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr;
  }
  return ::inet_ntop(address->sa_family, bytes, text, sizeof text) != nullptr ? text : "";
}

bool IsLoopback(const sockaddr* address) {
  if (address->sa_family == AF_INET6) {
    return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
  }
  return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
}

// Of a single link: what it means depends on the host that says it.
bool IsLinkLocal(const sockaddr* address) {
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
}

// The interfaces that are up, each with its first address: of IPv4, where it has one.
absl::StatusOr<std::vector<Interface>> ListInterfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return ErrnoError(errno, "listing the network interfaces");
  const absl::Cleanup release = [list] { ::freeifaddrs(list); };
  std::vector<Interface> interfaces;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
      if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != family) continue;
      if ((entry->ifa_flags & IFF_UP) == 0 || IsLinkLocal(entry->ifa_addr)) continue;
      const auto is_it = [entry](const Interface& known) { return known.name == entry->ifa_name; };
      if (std::ranges::any_of(interfaces, is_it)) continue;
      interfaces.push_back({.name = entry->ifa_name,
                            .address = InFigures(entry->ifa_addr),
                            .loopback = IsLoopback(entry->ifa_addr)});
    }
  }
  return interfaces;
}

// Asks the kernel's routes: connecting a datagram socket sends nothing and chooses the source.
// Empty where `host` has no such address or only loopback leads there, as with a host that has its
// neighbour's name in /etc/hosts by mistake.
std::string SourceAddressTowards(const std::string& host, int family) {
  addrinfo hints = {};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
  const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const int probe = ::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return "";
    const absl::Cleanup close = [probe] { ::close(probe); };
    if (::connect(probe, entry->ai_addr, entry->ai_addrlen) != 0) continue;
    sockaddr_storage source = {};
    socklen_t size = sizeof source;
    auto* generic = reinterpret_cast<sockaddr*>(&source);
    if (::getsockname(probe, generic, &size) != 0) continue;
    if (!IsLoopback(generic) && !IsLinkLocal(generic)) return InFigures(generic);
  }
  return "";
}

std::string Names(const std::vector<Interface>& interfaces) {
  return absl::StrJoin(interfaces, ", ", [](std::string* out, const Interface& interface) {
    absl::StrAppend(out, interface.name);
  });
}

}  // namespace

absl::StatusOr<std::string> ListeningAddress(const std::vector<std::string>& hosts, int rank,
                                             const std::string& interface) {
  const std::string& self = hosts[static_cast<std::size_t>(rank)];
  const auto other = std::find_if(hosts.begin(), hosts.end(),
                                  [&self](const std::string& host) { return host != self; });
  if (other == hosts.end()) return std::string(kLoopback);

  absl::StatusOr<std::vector<Interface>> interfaces = ListInterfaces();
  if (!interfaces.ok()) return interfaces.status();
  if (!interface.empty()) {
    for (const Interface& candidate : *interfaces) {
      if (candidate.name == interface) return candidate.address;
    }
    return absl::InvalidArgumentError(
        absl::StrCat("cluster.interface: host ", self, " has no interface \"", interface,
                     "\" with an address; it has ", Names(*interfaces)));
  }

  for (const int family : {AF_INET, AF_INET6}) {
    if (std::string source = SourceAddressTowards(*other, family); !source.empty()) return source;
  }
  std::erase_if(*interfaces, [](const Interface& candidate) { return candidate.loopback; });
  if (interfaces->size() == 1) return interfaces->front().address;
  return absl::InvalidArgumentError(
      absl::StrCat("host ", self, " does not know which of its interfaces leads to ", *other,
                   ": set cluster.interface",
                   interfaces->empty() ? std::string(" (it has none but loopback)")
                                       : absl::StrCat(" to one of ", Names(*interfaces))));
}

std::string AddressText(const std::string& address) {
  const absl::StatusOr<std::vector<Interface>> interfaces = ListInterfaces();
  if (!interfaces.ok()) return address;
  const auto found = std::ranges::find(*interfaces, address, &Interface::address);
  if (found == interfaces->end()) return address;
  const std::string text = absl::StrCat(address, ", ", found->name);
  ifreq request = {};
  std::strncpy(request.ifr_name, found->name.c_str(), IFNAMSIZ - 1);
  const int any = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (any < 0) return text;
  const absl::Cleanup close = [any] { ::close(any); };
  if (::ioctl(any, SIOCGIFMTU, &request) != 0) return text;
  return absl::StrCat(text, ", MTU ", request.ifr_mtu);
}

}  // namespace cf
