#include "common/rows/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(Placement, EverySeatHasBothRolesWithoutDedicatedServers) {
  const Placement placement =
      Placement::Make({.partitions = 16, .threads = {2, 1, 2}, .servers = 0}).value();
  EXPECT_TRUE(placement.combined());
  EXPECT_EQ(placement.ranks(), 3);
  ASSERT_EQ(placement.workers().size(), 5U);
  ASSERT_EQ(placement.servers().size(), 5U);
  EXPECT_THAT(placement.workers().OnRank(0), ElementsAre(0, 1));
  EXPECT_THAT(placement.workers().OnRank(1), ElementsAre(2));
  EXPECT_THAT(placement.servers().OnRank(2), ElementsAre(3, 4));
  EXPECT_EQ(placement.workers().seat(4).rank, 2);
  EXPECT_EQ(placement.workers().seat(4).thread, 1U);
}

TEST(Placement, DedicatedServersAreTheLastRanks) {
  const Placement placement =
      Placement::Make({.partitions = 8, .threads = {1, 2, 3}, .servers = 1}).value();
  EXPECT_FALSE(placement.combined());
  EXPECT_EQ(placement.workers().size(), 3U);
  EXPECT_EQ(placement.servers().size(), 3U);
  EXPECT_THAT(placement.servers().OnRank(0), IsEmpty());
  EXPECT_THAT(placement.workers().OnRank(2), IsEmpty());
  EXPECT_THAT(placement.servers().OnRank(2), ElementsAre(0, 1, 2));
}

TEST(Placement, SeatsShareOutAllPartitionsAsEquallyAsCanBe) {
  for (std::uint32_t seats = 1; seats <= 16; ++seats) {
    const Placement placement =
        Placement::Make({.partitions = 16, .threads = {seats}, .servers = 0}).value();
    std::uint32_t next = 0;
    for (std::uint32_t s = 0; s < seats; ++s) {
      const SeatRange range = placement.workers().range(s);
      EXPECT_EQ(range.first, next);
      EXPECT_GE(range.size(), 16 / seats);
      EXPECT_LE(range.size(), (16 + seats - 1) / seats);
      for (std::uint32_t p = range.first; p < range.last; ++p)
        EXPECT_EQ(placement.workers().SeatOf(PartitionId{p}), s);
      next = range.last;
    }
    EXPECT_EQ(next, 16U);
  }
}

TEST(Placement, RefusesMoreSeatsThanPartitionsWithBothNumbersAndTheCure) {
  const auto placement = Placement::Make({.partitions = 4, .threads = {3, 2}, .servers = 0});
  EXPECT_EQ(placement.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(placement.status().message()),
              HasSubstr("5 compute threads for 4 partitions: start fewer"));
}

TEST(Placement, RefusesAJobWithoutWorkers) {
  const auto placement = Placement::Make({.partitions = 4, .threads = {1, 1}, .servers = 2});
  EXPECT_EQ(placement.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(placement.status().message()),
              HasSubstr("cluster.servers is 2 of 2 ranks"));
}

}  // namespace
}  // namespace cf
