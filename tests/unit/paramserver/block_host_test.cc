#include "paramserver/block_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/paramserver/local_rows.h"

namespace cf {
namespace {

using ::testing::HasSubstr;

/// Two seats with a partition each; in turn 1 each works on the other's items.
class BlockHostTest : public ::testing::Test {
 protected:
  BlockHost MakeHost(std::uint32_t seat) {
    return BlockHost({.seat = seat,
                      .store = &local_.store(),
                      .exchange = &local_.exchange(),
                      .optimizer = &local_.rule(),
                      .kernels = KernelsFor(KernelTarget::kBest).value(),
                      .tables = tables_,
                      .schedule = BlockSchedule(2, 1, 20)});
  }

  const std::vector<TableSpec> tables_ = {MakeTable("users", 9, 3, 0), MakeTable("items", 7, 3, 0)};
  LocalRows local_{{.partitions = 2, .seats = 2, .tables = tables_}};
};

TEST_F(BlockHostTest, ItemsComeHomeAsTheyLeftWhereNobodyChangedThem) {
  local_.Initialize();
  for (const PartitionId partition : {PartitionId{0}, PartitionId{1}}) {
    local_.store().MarkWritten(partition);
    local_.store().Commit(partition);
  }
  const std::vector<float> before = local_.Record(kItems, RowId{6});
  BlockHost first = MakeHost(0);
  BlockHost second = MakeHost(1);
  ASSERT_TRUE(first.Leave(1).ok());
  ASSERT_TRUE(second.Leave(1).ok());
  ASSERT_TRUE(first.Items(PartitionId{1}, 1).ok());
  ASSERT_TRUE(second.Items(PartitionId{0}, 1).ok());
  first.PassItems(PartitionId{1}, 1);  // Home, in turn 2.
  second.PassItems(PartitionId{0}, 1);
  ASSERT_TRUE(first.ComeHome().ok());
  ASSERT_TRUE(second.ComeHome().ok());
  EXPECT_EQ(local_.Record(kItems, RowId{6}), before);
  for (const std::uint32_t seat : {0U, 1U}) {
    EXPECT_EQ(local_.store().ChangedRows(PartitionId{seat}), 0U);
  }
}

// Whoever works in waves takes what comes in whichever order it comes.
TEST_F(BlockHostTest, KnowsWhichItemsItMayWorkOn) {
  local_.Initialize();
  BlockHost first = MakeHost(0);
  BlockHost second = MakeHost(1);
  ASSERT_TRUE(first.Leave(1).ok());
  EXPECT_FALSE(*first.HasItems(PartitionId{1}, 1));
  ASSERT_TRUE(second.Leave(1).ok());
  EXPECT_FALSE(*first.HasItems(PartitionId{1}, 2)) << "they are there, and not for that";
  EXPECT_TRUE(*first.HasItems(PartitionId{1}, 1));
  EXPECT_FALSE(*first.HasItems(PartitionId{0}, 2));
  ASSERT_TRUE(second.Items(PartitionId{0}, 1).ok());
  second.PassItems(PartitionId{0}, 1);
  ASSERT_TRUE(first.AwaitItems().ok());
  EXPECT_TRUE(*first.HasItems(PartitionId{0}, 2));
  EXPECT_TRUE(*first.HasItems(PartitionId{1}, 1));
}

// A peer of another build, or a stranger's bytes: nothing is read beyond what came.
TEST_F(BlockHostTest, RefusesAnItemPartitionOfAnotherLength) {
  local_.Initialize();
  BlockHost host = MakeHost(0);
  ASSERT_TRUE(host.Leave(1).ok());
  const std::size_t bytes =
      BlockHost::BlockBytes(tables_[Index(kItems)], Partitioning(2), PartitionId{1});
  Parcel block = local_.exchange().MakeTransfer(
      {.from_seat = 1, .to_seat = 0, .number = kPartitionsMax + 1}, bytes - 64);
  local_.exchange().SendTransfer(std::move(block));
  const absl::Status refused = host.Items(PartitionId{1}, 1).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("item partition 1 came with"));
}

TEST_F(BlockHostTest, RefusesAnItemPartitionThatIsNotToCome) {
  local_.Initialize();
  BlockHost host = MakeHost(0);
  ASSERT_TRUE(host.Leave(1).ok());
  const auto refuses = [&](std::uint64_t number) {
    local_.exchange().SendTransfer(
        local_.exchange().MakeTransfer({.from_seat = 1, .to_seat = 0, .number = number}, 64));
    const absl::Status refused = host.AwaitItems();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << number;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("where it is not to come from there"));
  };
  refuses(2 * kPartitionsMax + 1);  // Seat 1 works on it then.
  refuses(kPartitionsMax + 2);      // There is no such partition.
}

}  // namespace
}  // namespace cf
