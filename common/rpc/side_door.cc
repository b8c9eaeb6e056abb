#include "common/rpc/side_door.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <span>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/escaping.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/base/status.h"

namespace cf {
namespace {

/// What accompanies the descriptors.
struct Ticket {
  JobKey token{};
  std::int32_t from = 0;
};

constexpr int kSocketType = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
constexpr std::size_t kFdBytes = kFdsHanded * sizeof(int);

struct Address {
  sockaddr_un address = {};
  socklen_t length = 0;

  explicit Address(const std::string& name) {
    address.sun_family = AF_UNIX;
    // The zero in front makes it abstract.
    const std::size_t bytes = std::min(name.size(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path + 1, name.data(), bytes);
    length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + bytes);
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&address); }
};

/// A message of one ticket, with room for the descriptors.
struct TicketMessage {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kFdBytes)> room{};
  iovec part = {};
  msghdr message = {};

  explicit TicketMessage(Ticket& ticket) {
    part = {.iov_base = &ticket, .iov_len = sizeof ticket};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = room.data();
    message.msg_controllen = room.size();
  }
  TicketMessage(const TicketMessage&) = delete;
  TicketMessage& operator=(const TicketMessage&) = delete;
};

bool IsOurUser(int socket) {
  ucred peer = {};
  socklen_t length = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
         peer.uid == ::geteuid();
}

/// The descriptors that a message brought: all of them, so that none stays open.
std::vector<UniqueFd> FdsOf(msghdr& message) {
  std::vector<UniqueFd> fds;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t k = 0; k < count; ++k) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + k * sizeof fd, sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

absl::StatusOr<SideDoor> SideDoor::Open() {
  SideDoor door;
  const absl::StatusOr<JobKey> token = MakeJobKey();
  if (!token.ok()) return token.status();
  const absl::StatusOr<JobKey> name = MakeJobKey();
  if (!name.ok()) return name.status();
  door.token_ = *token;
  const auto* const random = reinterpret_cast<const char*>(name->data());
  door.name_ = absl::StrCat("cf-", absl::BytesToHexString(std::string(random, 16)));
  door.socket_ = UniqueFd(::socket(AF_UNIX, kSocketType, 0));
  if (door.socket_.get() < 0) return ErrnoError(errno, "opening a Unix socket");
  const Address address(door.name_);
  if (::bind(door.socket_.get(), address.get(), address.length) != 0 ||
      ::listen(door.socket_.get(), kWaitingMax) != 0) {
    return ErrnoError(errno, "listening on a Unix socket");
  }
  return door;
}

std::optional<SideDoor::Visit> SideDoor::Next() {
  for (;;) {
    const UniqueFd visitor(
        ::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (visitor.get() < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return std::nullopt;
    }
    Ticket ticket;
    TicketMessage incoming(ticket);
    const ssize_t got = ::recvmsg(visitor.get(), &incoming.message, MSG_CMSG_CLOEXEC);
    if (got < 0) continue;
    std::vector<UniqueFd> fds = FdsOf(incoming.message);
    // What was cut off, of the ticket or of the descriptors, was too much.
    const bool whole = (incoming.message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0;
    if (!whole || got != sizeof ticket || fds.size() != kFdsHanded || !IsOurUser(visitor.get()) ||
        !SameProof(ticket.token, token_)) {
      continue;
    }
    return Visit{.from = ticket.from, .fds = {std::move(fds[0]), std::move(fds[1])}};
  }
}

absl::Status HandIn(const std::string& door, const JobKey& token, int from,
                    const std::array<int, kFdsHanded>& fds) {
  const UniqueFd socket(::socket(AF_UNIX, kSocketType, 0));
  if (socket.get() < 0) return ErrnoError(errno, "opening a Unix socket");
  const Address address(door);
  if (::connect(socket.get(), address.get(), address.length) != 0)
    return ErrnoError(errno, "connecting to a side door");
  Ticket ticket{.token = token, .from = from};
  TicketMessage outgoing(ticket);
  cmsghdr* const rights = CMSG_FIRSTHDR(&outgoing.message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(kFdBytes);
  std::memcpy(CMSG_DATA(rights), fds.data(), kFdBytes);
  if (::sendmsg(socket.get(), &outgoing.message, MSG_NOSIGNAL) != sizeof ticket)
    return ErrnoError(errno, "writing to a side door");
  return absl::OkStatus();
}

std::string HostIdentity() {
  std::string boot = ReadFile("/proc/sys/kernel/random/boot_id").value_or("");
  absl::StripAsciiWhitespace(&boot);
  std::array<char, 64> name{};
  const ssize_t length = ::readlink("/proc/self/ns/net", name.data(), name.size());
  if (boot.empty() || length <= 0) return "";
  return absl::StrCat(boot, " ", std::string(name.data(), static_cast<std::size_t>(length)));
}

}  // namespace cf
