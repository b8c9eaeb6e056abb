#include "common/base/partition.h"

#include <vector>

#include <gtest/gtest.h>

namespace cf::partition_test {
namespace {

TEST(Partitioning, IsSerpentineAsTheDesignSays) {
  const Partitioning partitioning(4);
  const std::vector<std::uint32_t> expected = {0, 1, 2, 3, 3, 2, 1, 0, 0, 1};
  for (std::uint32_t id = 0; id < expected.size(); ++id) {
    const std::uint32_t j = id % 8;
    EXPECT_EQ(Index(partitioning.Of(RowId{id})), expected[id]);
    EXPECT_EQ(Index(partitioning.Of(RowId{id})), j < 4 ? j : 7 - j);
  }
}

TEST(Partitioning, SlotsAreDenseAndInvertible) {
  for (const std::uint32_t partitions : {1U, 2U, 16U, 64U}) {
    const Partitioning partitioning(partitions);
    for (const std::uint32_t rows : {0U, 1U, 15U, 16U, 17U, 33U, 1000U}) {
      std::vector<std::uint32_t> next(partitions, 0);
      for (std::uint32_t id = 0; id < rows; ++id) {
        const PartitionId p = partitioning.Of(RowId{id});
        EXPECT_EQ(partitioning.SlotOf(RowId{id}), next[Index(p)]++);
        EXPECT_EQ(partitioning.IdAt(p, partitioning.SlotOf(RowId{id})), RowId{id});
      }
      for (std::uint32_t p = 0; p < partitions; ++p) {
        EXPECT_EQ(partitioning.RowsIn(PartitionId{p}, rows), next[p]);
      }
    }
  }
}

TEST(RangeOfSeat, CoversEveryPartitionOnce) {
  for (std::uint32_t seats = 1; seats <= 16; ++seats) {
    std::uint32_t next = 0;
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
      const SeatRange range = RangeOfSeat(seat, seats, 16);
      EXPECT_EQ(range.first, next);
      EXPECT_GT(range.size(), 0U);
      next = range.last;
    }
    EXPECT_EQ(next, 16U);
  }
}

TEST(SumAlongTree, PairsNeighbours) {
  // 1e16 + 1 loses the 1, so the order shows.
  EXPECT_EQ(SumAlongTree(std::vector<double>{1e16, 1, 1, 1}), (1e16 + 1) + (1.0 + 1.0));
  EXPECT_EQ(SumAlongTree(std::vector<double>{3}), 3);
}

}  // namespace
}  // namespace cf::partition_test
