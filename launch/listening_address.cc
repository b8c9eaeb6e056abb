#include "launch/listening_address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
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
  char text[INET_ADDRSTRLEN] = {};
  const auto* inet = reinterpret_cast<const sockaddr_in*>(address);
  return ::inet_ntop(AF_INET, &inet->sin_addr, text, sizeof text) != nullptr ? text : "";
}

bool IsLoopback(const sockaddr* address) {
  const auto* inet = reinterpret_cast<const sockaddr_in*>(address);
  return (ntohl(inet->sin_addr.s_addr) >> 24) == 127;
}

absl::StatusOr<std::vector<Interface>> ListInterfaces() {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return ErrnoError(errno, "listing the network interfaces");
  const absl::Cleanup release = [list] { ::freeifaddrs(list); };
  std::vector<Interface> interfaces;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || entry->ifa_addr->sa_family != AF_INET) continue;
    if ((entry->ifa_flags & IFF_UP) == 0) continue;
    interfaces.push_back({.name = entry->ifa_name,
                          .address = InFigures(entry->ifa_addr),
                          .loopback = IsLoopback(entry->ifa_addr)});
  }
  return interfaces;
}

// Asks the kernel's routes: connecting a datagram socket sends nothing and chooses the source.
// Empty where `host` does not resolve or only loopback leads there, as with a host that has its
// neighbour's name in /etc/hosts by mistake.
std::string SourceAddressTowards(const std::string& host) {
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), "9", &hints, &found) != 0) return "";
  const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    const int probe = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (probe < 0) return "";
    const absl::Cleanup close = [probe] { ::close(probe); };
    if (::connect(probe, entry->ai_addr, entry->ai_addrlen) != 0) continue;
    sockaddr_in source = {};
    socklen_t size = sizeof source;
    auto* generic = reinterpret_cast<sockaddr*>(&source);
    if (::getsockname(probe, generic, &size) != 0 || IsLoopback(generic)) continue;
    return InFigures(generic);
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
                     "\" with an IPv4 address; it has ", Names(*interfaces)));
  }

  if (std::string source = SourceAddressTowards(*other); !source.empty()) return source;
  std::erase_if(*interfaces, [](const Interface& candidate) { return candidate.loopback; });
  if (interfaces->size() == 1) return interfaces->front().address;
  return absl::InvalidArgumentError(
      absl::StrCat("host ", self, " does not know which of its interfaces leads to ", *other,
                   ": set cluster.interface",
                   interfaces->empty() ? std::string(" (it has none but loopback)")
                                       : absl::StrCat(" to one of ", Names(*interfaces))));
}

}  // namespace cf
