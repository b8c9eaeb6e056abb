#include "common/rows/placement.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::placement_test {
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

// Goal: whatever first partitions come over the wire, each thread has a range and all have all.
TEST(Placement, RanksMayHaveTheirOwnShares) {
  const auto make = [](std::vector<std::uint32_t> firsts) {
    return Placement::Make({.partitions = 16, .threads = {1, 2, 1}, .firsts = std::move(firsts)});
  };
  const Placement placement = make({0, 3, 10}).value();
  EXPECT_EQ(placement.workers().RangeOnRank(0), (SeatRange{0, 3}));
  EXPECT_EQ(placement.workers().range(1), (SeatRange{3, 6}));
  EXPECT_EQ(placement.servers().range(2), (SeatRange{6, 10}));
  EXPECT_EQ(placement.servers().RangeOnRank(1), (SeatRange{3, 10}));
  EXPECT_EQ(placement.workers().largest(), 6U);
  for (std::uint32_t p = 0; p < 16; ++p) {
    const std::uint32_t seat = placement.workers().SeatOf(PartitionId{p});
    EXPECT_TRUE(placement.workers().range(seat).Contains(PartitionId{p})) << p;
  }
  for (const std::vector<std::uint32_t>& firsts : std::vector<std::vector<std::uint32_t>>{
           {0, 3}, {1, 3, 10}, {0, 3, 4}, {0, 10, 3}, {0, 3, 16}, {0, 3, 4294967295U}}) {
    EXPECT_EQ(make(firsts).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(FirstsNear, KeepWhatRanksHadAndShareOutTheRest) {
  const auto firsts = [](std::vector<SeatRange> before, std::vector<std::uint32_t> threads,
                         std::uint32_t share) { return FirstsNear(before, threads, 16, share); };
  // Of four, one in the middle is lost: its neighbours take a half each.
  EXPECT_THAT(firsts({{0, 4}, {8, 12}, {12, 16}}, {1, 1, 1}, 6), ElementsAre(0, 6, 12));
  // The last one's neighbour would have twice as much as the others.
  EXPECT_THAT(firsts({{0, 4}, {4, 8}, {8, 12}}, {1, 1, 1}, 6), ElementsAre(0, 4, 10));
  EXPECT_THAT(firsts({{0, 4}, {4, 8}, {8, 12}}, {1, 1, 1}, 7), ElementsAre(0, 4, 9));
  EXPECT_THAT(firsts({{4, 8}, {8, 12}, {12, 16}}, {1, 1, 1}, 6), ElementsAre(0, 6, 12));
  EXPECT_THAT(firsts({{0, 8}}, {1}, 16), ElementsAre(0));
  // A rank with more threads takes more, and each thread has some.
  EXPECT_THAT(firsts({{0, 4}, {12, 16}}, {1, 3}, 4), ElementsAre(0, 4));
  EXPECT_THAT(firsts({{0, 1}, {1, 2}}, {8, 8}, 1), ElementsAre(0, 8));
  // One that had nothing gets what its neighbours have too much of.
  EXPECT_THAT(firsts({{0, 8}, {8, 8}, {8, 16}}, {1, 1, 1}, 6), ElementsAre(0, 6, 10));
}

/// Partitions that a rank gets and had not.
std::uint32_t Loads(std::span<const SeatRange> before, std::span<const std::uint32_t> firsts,
                    std::uint32_t partitions) {
  std::uint32_t loads = 0;
  for (std::size_t rank = 0; rank < firsts.size(); ++rank) {
    const std::uint32_t last = rank + 1 < firsts.size() ? firsts[rank + 1] : partitions;
    for (std::uint32_t p = firsts[rank]; p < last; ++p) {
      loads += before[rank].Contains(PartitionId{p}) ? 0 : 1;
    }
  }
  return loads;
}

// Goal: nobody gets more than a share, and no other deal loads less. Method: all losses of some ranks of
// four, against all deals that there are.
TEST(FirstsNear, LoadAsLittleAsTheSharesAllow) {
  constexpr std::uint32_t kPartitions = 16;
  for (std::uint32_t lost = 0; lost < 15; ++lost) {
    std::vector<SeatRange> before;
    for (std::uint32_t rank = 0; rank < 4; ++rank) {
      if (((lost >> rank) & 1U) == 0) before.push_back(RangeOfSeat(rank, 4, kPartitions));
    }
    const auto ranks = static_cast<std::uint32_t>(before.size());
    const std::vector<std::uint32_t> threads(ranks, 1);
    const std::uint32_t fair = FairShare(ranks, kPartitions);
    for (const std::uint32_t share : {fair, fair + 1, fair + 2}) {
      std::uint32_t least = kPartitions;
      std::vector<std::uint32_t> firsts = {0};
      const std::function<void()> deal = [&] {
        const std::uint32_t after = ranks - static_cast<std::uint32_t>(firsts.size());
        if (after == 0) {
          if (kPartitions - firsts.back() <= share) {
            least = std::min(least, Loads(before, firsts, kPartitions));
          }
          return;
        }
        for (std::uint32_t size = 1; size <= share && firsts.back() + size < kPartitions; ++size) {
          firsts.push_back(firsts.back() + size);
          deal();
          firsts.pop_back();
        }
      };
      deal();
      const std::vector<std::uint32_t> near = FirstsNear(before, threads, kPartitions, share);
      EXPECT_EQ(Loads(before, near, kPartitions), least) << lost << " with shares of " << share;
      const Placement placement =
          Placement::Make({.partitions = kPartitions, .threads = threads, .firsts = near}).value();
      EXPECT_LE(placement.workers().largest(), share) << lost;
    }
  }
}

TEST(FirstsAfterALoss, OneOfEightCostsAtMostOneAndAHalfTimesItsPartitions) {
  for (const std::uint32_t partitions : {64U, 256U, 1024U}) {
    for (std::uint32_t lost = 0; lost < 8; ++lost) {
      std::vector<SeatRange> before;
      for (std::uint32_t rank = 0; rank < 8; ++rank) {
        if (rank != lost) before.push_back(RangeOfSeat(rank, 8, partitions));
      }
      const std::vector<std::uint32_t> threads(7, 1);
      const std::vector<std::uint32_t> near = FirstsAfterALoss(before, threads, partitions);
      EXPECT_LE(Loads(before, near, partitions), 1.5 * partitions / 8)
          << lost << " of " << partitions;
      // Towards an end there are fewer on one side to push on to.
      const double more = lost >= 2 && lost <= 5 ? 9.0 / 8 : 4.0 / 3;
      const Placement placement =
          Placement::Make({.partitions = partitions, .threads = threads, .firsts = near}).value();
      EXPECT_LT(placement.workers().largest(), more * partitions / 7 + 1)
          << lost << " of " << partitions;
    }
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
}  // namespace cf::placement_test
