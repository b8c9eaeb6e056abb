#include "common/rpc/side_door.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace cf::side_door_test {
namespace {

constexpr std::size_t kBytes = 8192;

// Hands in the door's token, `rank_bytes` bytes after it, and `fds` descriptors: what HandIn never
// does.
void HandInBytes(const SideDoor& door, std::size_t rank_bytes, std::size_t fds) {
  std::string ticket(reinterpret_cast<const char*>(door.token().data()), door.token().size());
  ticket.append(rank_bytes, '\1');
  const UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path + 1, door.name().data(), door.name().size());
  const std::size_t length = offsetof(sockaddr_un, sun_path) + 1 + door.name().size();
  ASSERT_EQ(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                      static_cast<socklen_t>(length)),
            0);
  iovec part = {.iov_base = ticket.data(), .iov_len = ticket.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(4 * sizeof(int))> room{};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = room.data();
  message.msg_controllen = CMSG_SPACE(fds * sizeof(int));
  cmsghdr* const rights = CMSG_FIRSTHDR(&message);
  rights->cmsg_level = SOL_SOCKET;
  rights->cmsg_type = SCM_RIGHTS;
  rights->cmsg_len = CMSG_LEN(fds * sizeof(int));  // Of descriptor 0, which the zeros name.
  ASSERT_EQ(::sendmsg(socket.get(), &message, MSG_NOSIGNAL), static_cast<ssize_t>(ticket.size()));
}

TEST(SideDoor, HandsOverMemoryThatBothSee) {
  absl::StatusOr<SideDoor> door = SideDoor::Open();
  ASSERT_TRUE(door.ok()) << door.status();
  EXPECT_FALSE(door->Next().has_value());
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  ASSERT_TRUE(made.ok()) << made.status();
  ASSERT_TRUE(HandIn(door->name(), door->token(), 3, {made->fd(), made->fd()}).ok());

  std::optional<SideDoor::Visit> visit = door->Next();
  ASSERT_TRUE(visit.has_value());
  EXPECT_EQ(visit->from, 3);
  const absl::StatusOr<SharedRegion> mapped = SharedRegion::Map(std::move(visit->fds[0]), kBytes);
  ASSERT_TRUE(mapped.ok()) << mapped.status();
  mapped->bytes()[kBytes - 1] = std::byte{5};
  EXPECT_EQ(made->bytes()[kBytes - 1], std::byte{5});
  EXPECT_FALSE(door->Next().has_value());
}

TEST(SideDoor, TakesSeveralInTheOrderInWhichTheyCame) {
  absl::StatusOr<SideDoor> door = SideDoor::Open();
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  for (const int from : {4, 2, 9})
    ASSERT_TRUE(HandIn(door->name(), door->token(), from, {made->fd(), made->fd()}).ok());
  for (const int from : {4, 2, 9}) EXPECT_EQ(door->Next()->from, from);
}

TEST(SideDoor, SendsAStrangerWithoutTheTokenAway) {
  absl::StatusOr<SideDoor> door = SideDoor::Open();
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  JobKey wrong = door->token();
  wrong[31] ^= std::byte{1};
  ASSERT_TRUE(HandIn(door->name(), wrong, 3, {made->fd(), made->fd()}).ok());
  EXPECT_FALSE(door->Next().has_value());
  // Who comes after the stranger is heard.
  ASSERT_TRUE(HandIn(door->name(), wrong, 3, {made->fd(), made->fd()}).ok());
  ASSERT_TRUE(HandIn(door->name(), door->token(), 5, {made->fd(), made->fd()}).ok());
  EXPECT_EQ(door->Next()->from, 5);
}

TEST(SideDoor, SendsAwayWhoBringsMoreOrLessThanATicket) {
  absl::StatusOr<SideDoor> door = SideDoor::Open();
  HandInBytes(*door, sizeof(std::int32_t), kFdsHanded);
  EXPECT_EQ(door->Next()->from, 0x01010101);
  for (const std::size_t rank_bytes : {0U, 3U, 5U, 100U}) {
    HandInBytes(*door, rank_bytes, kFdsHanded);
    EXPECT_FALSE(door->Next().has_value()) << rank_bytes;
  }
  for (const std::size_t fds : {1U, 3U, 4U}) {
    HandInBytes(*door, sizeof(std::int32_t), fds);
    EXPECT_FALSE(door->Next().has_value()) << fds;
  }
}

TEST(SideDoor, IsGoneWithItsOwner) {
  std::string name;
  JobKey token{};
  {
    absl::StatusOr<SideDoor> door = SideDoor::Open();
    name = door->name();
    token = door->token();
  }
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  EXPECT_FALSE(HandIn(name, token, 0, {made->fd(), made->fd()}).ok());
}

// What could go away under the reader would kill it by SIGBUS.
TEST(SharedRegion, RefusesWhatIsNotSealedAgainstShrinking) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(fd.get(), kBytes), 0);
  EXPECT_EQ(SharedRegion::Map(std::move(fd), kBytes).status().code(), absl::StatusCode::kDataLoss);
}

TEST(SharedRegion, RefusesAnotherSize) {
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  EXPECT_EQ(SharedRegion::Map(UniqueFd(::dup(made->fd())), 2 * kBytes).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(SharedRegion, CannotBeMadeSmaller) {
  const absl::StatusOr<SharedRegion> made = SharedRegion::Make(kBytes);
  EXPECT_NE(::ftruncate(made->fd(), 0), 0);
  EXPECT_EQ(errno, EPERM);
}

}  // namespace
}  // namespace cf::side_door_test
