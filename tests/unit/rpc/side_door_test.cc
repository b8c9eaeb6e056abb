#include "common/rpc/side_door.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace cf {
namespace {

constexpr std::size_t kBytes = 8192;

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
}  // namespace cf
