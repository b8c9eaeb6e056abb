// What comes in at a rank's side door: tickets with descriptors of shared memory.

#include <array>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/rpc/side_door.h"
#include "tests/fuzz/fuzz.h"

namespace cf::fuzz::ticket_target {
namespace {

constexpr std::size_t kFdsMost = 4;
constexpr char kToken = 'T';  ///< An input's second byte: the door's token comes before the rest.

/// Hands `ticket` and `fds` times the same descriptor in at the door `name`.
void Visit(const std::string& name, std::string ticket, std::size_t fds) {
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  Check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0,
        "the door is there");
  iovec part = {.iov_base = ticket.data(), .iov_len = ticket.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kFdsMost * sizeof(int))> room{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (fds > 0) {
    message.msg_control = room.data();
    message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    cmsghdr* const rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(fds * sizeof(int));
    const std::array<int, kFdsMost> handed = {0, 0, 0, 0};
    std::memcpy(CMSG_DATA(rights), handed.data(), fds * sizeof(int));
  }
  // A visitor who leaves without a word is one, too.
  if (!ticket.empty()) Check(::sendmsg(socket.get(), &message, MSG_NOSIGNAL) >= 0, "it is heard");
}

int OpenFds() {
  const int next = ::dup(0);
  ::close(next);
  return next;
}

/// The first byte says how many descriptors come, the second whether the door's token does. Who is
/// let in brought the token, a rank and two descriptors, and of who is not none stays open.
bool RunTarget(std::span<const std::byte> bytes) {
  static SideDoor door = *SideDoor::Open();
  std::string input = TextOf(bytes.first(std::min<std::size_t>(bytes.size(), 4096)));
  input.resize(std::max<std::size_t>(input.size(), 2));
  const std::size_t fds = static_cast<unsigned char>(input[0]) % (kFdsMost + 1);
  const bool honest = input[1] == kToken;
  std::string ticket = input.substr(2);
  const std::string token(reinterpret_cast<const char*>(door.token().data()), door.token().size());
  if (honest) ticket = token + ticket;
  const int open_before = OpenFds();
  Visit(door.name(), ticket, fds);
  const bool let_in = [&] {
    const std::optional<SideDoor::Visit> visit = door.Next();
    if (!visit.has_value()) return false;
    std::int32_t from = 0;
    std::memcpy(&from, ticket.data() + token.size(), sizeof from);
    Check(visit->from == from, "a visitor is the rank that it says");
    return true;
  }();
  Check(let_in ==
            (honest && ticket.size() == token.size() + sizeof(std::int32_t) && fds == kFdsHanded),
        "who is let in has the token, a rank and two descriptors");
  Check(!door.Next().has_value(), "nobody else is at the door");
  Check(OpenFds() == open_before, "no descriptor stays open");
  return let_in;
}

std::vector<std::string> Seeds() {
  return {std::string("\x02T\x01\x00\x00\x00", 6), std::string("\x02T\xFF\xFF\xFF\x7F", 6)};
}

const bool kAdded = AddTarget({.name = "ticket", .run = RunTarget, .seeds = Seeds});

}  // namespace
}  // namespace cf::fuzz::ticket_target
