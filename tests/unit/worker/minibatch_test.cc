#include "worker/minibatch.h"

#include <gtest/gtest.h>

namespace cf::minibatch_test {
namespace {

constexpr RowId kRow{40};
constexpr RowId kOther{41};

TEST(TableBatch, TouchesARowOnceAPartition) {
  IdIndex index;
  TableBatch batch;
  batch.Clear(index);
  const auto touch = [&](RowId id, std::uint32_t partition) {
    return batch.Touch(index, id, partition);
  };
  EXPECT_TRUE(touch(kRow, 0).is_first);
  EXPECT_EQ(touch(kRow, 0).part, 0U);
  EXPECT_FALSE(touch(kRow, 0).is_first);
  EXPECT_TRUE(touch(kOther, 0).is_first);
  EXPECT_FALSE(touch(kRow, 0).is_first);

  const TableBatch::Touched later = touch(kRow, 3);
  EXPECT_TRUE(later.is_first) << "another partition's gradient is a part of its own";
  EXPECT_EQ(later.part, 2U);
  EXPECT_FALSE(touch(kRow, 3).is_first);
  EXPECT_EQ(touch(kRow, 7).part, 3U);

  ASSERT_EQ(batch.rows().size(), 2U);
  EXPECT_EQ(batch.rows()[0].id, kRow);
  EXPECT_EQ(batch.rows()[1].id, kOther);
  // The chain of a row's parts ascends.
  ASSERT_EQ(batch.parts().size(), 4U);
  std::vector<std::uint32_t> partitions;
  for (std::uint32_t part = batch.rows()[0].first_part; part != TableBatch::kNone;
       part = batch.parts()[part].next) {
    EXPECT_EQ(batch.parts()[part].row, 0U);
    partitions.push_back(batch.parts()[part].partition);
  }
  EXPECT_EQ(partitions, (std::vector<std::uint32_t>{0, 3, 7}));
  EXPECT_EQ(batch.rows()[1].first_part, batch.rows()[1].last_part);
}

TEST(TableBatch, ARowMayHavePartsThatNoPartitionHas) {
  IdIndex index;
  TableBatch batch;
  batch.Clear(index);
  batch.AddRow(kRow, 1);
  batch.AddRow(kOther, 3);
  ASSERT_EQ(batch.rows().size(), 2U);
  EXPECT_EQ(batch.rows()[0].first_part, batch.rows()[0].last_part);
  ASSERT_EQ(batch.parts().size(), 4U);
  std::vector<std::uint32_t> parts;
  for (std::uint32_t part = batch.rows()[1].first_part; part != TableBatch::kNone;
       part = batch.parts()[part].next) {
    EXPECT_EQ(batch.parts()[part].row, 1U);
    parts.push_back(part);
  }
  EXPECT_EQ(parts, (std::vector<std::uint32_t>{1, 2, 3}));
  EXPECT_EQ(batch.rows()[1].last_part, 3U);
}

TEST(TableBatch, ForgetsTheBatchBefore) {
  IdIndex index;
  TableBatch batch;
  for (int repeat = 0; repeat < 3; ++repeat) {
    batch.Clear(index);
    EXPECT_TRUE(batch.rows().empty());
    EXPECT_TRUE(batch.Touch(index, kRow, 5).is_first);
    EXPECT_FALSE(batch.Touch(index, kRow, 5).is_first);
  }
}

// Stamps start anew after 2^18 batches: what then has the stamp of a batch long ago is not of it.
TEST(TableBatch, ForgetsEveryBatchWhenStampsStartAnew) {
  IdIndex index;
  TableBatch batch;
  batch.Clear(index);
  EXPECT_TRUE(batch.Touch(index, kRow, 5).is_first);
  for (int repeat = 1; repeat < 1 << 18; ++repeat) batch.Clear(index);
  EXPECT_TRUE(batch.Touch(index, kRow, 5).is_first);
  EXPECT_FALSE(batch.Touch(index, kRow, 5).is_first);
}

// Three batches are under way over one index: what one has found must hold while the next is made.
TEST(TableBatch, SharesItsIndexWithTheNextBatch) {
  IdIndex index;
  TableBatch first;
  TableBatch second;
  first.Clear(index);
  first.Touch(index, kRow, 0);
  second.Clear(index);
  EXPECT_TRUE(second.Touch(index, kOther, 0).is_first);
  EXPECT_TRUE(second.Touch(index, kRow, 0).is_first);
  EXPECT_EQ(first.rows().size(), 1U);
  EXPECT_EQ(second.rows().size(), 2U);
}

}  // namespace
}  // namespace cf::minibatch_test
