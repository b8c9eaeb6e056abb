#include "paramserver/slab_store.h"

#include <span>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf {
namespace {

TEST(SlabStore, CountsChangedRows) {
  LocalRows local(MakeOptions("sgd {}", 1));
  RowStore& store = local.store();
  const Partitioning partitioning(kPartitions);
  local.Initialize();
  std::uint64_t rows = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(store.ChangedRows(PartitionId{p}), store.Rows(PartitionId{p})) << "all are new";
    rows += store.Rows(PartitionId{p});
  }
  EXPECT_EQ(rows, kUserRows + kItemRows);

  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    store.MarkWritten(PartitionId{p});
    store.Commit(PartitionId{p});
  }
  const std::vector<float> gradient(kWireFloats);
  for (const std::uint32_t id : {11U, 11U, 27U}) local.Apply(kUsers, 0, RowId{id}, gradient);
  local.Apply(kItems, 0, RowId{11}, gradient);
  std::uint64_t changed = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) changed += store.ChangedRows(PartitionId{p});
  EXPECT_EQ(changed, 3U);
  EXPECT_EQ(store.ChangedRows(partitioning.Of(RowId{11})),
            partitioning.Of(RowId{11}) == partitioning.Of(RowId{27}) ? 3U : 2U);
}

// Goal: a snapshot that is never committed leaves nothing behind: its rows stay changed, and so does
// what changes while it is under way.
TEST(SlabStore, RowsAreCleanWhenTheirFileIsCommitted) {
  LocalRows local(MakeOptions("sgd {}", 1));
  RowStore& store = local.store();
  local.Initialize();
  const PartitionId partition = Partitioning(kPartitions).Of(RowId{11});
  const std::vector<float> gradient(kWireFloats);
  store.MarkWritten(partition);
  EXPECT_EQ(store.ChangedRows(partition), store.Rows(partition)) << "written, and not committed";
  store.Commit(partition);
  EXPECT_EQ(store.ChangedRows(partition), 0U);

  local.Apply(kUsers, 0, RowId{11}, gradient);
  store.MarkWritten(partition);
  local.Apply(kUsers, 1, RowId{11 + 2 * kPartitions}, gradient);  // Of the same partition.
  EXPECT_EQ(store.ChangedRows(partition), 2U);
  std::vector<RowId> visited;
  const auto visit = [&](RowId id, std::span<const float>) {
    visited.push_back(id);
    return absl::OkStatus();
  };
  ASSERT_TRUE(store.Visit(kUsers, partition, RowStore::Which::kChanged, visit).ok());
  EXPECT_THAT(visited, ::testing::ElementsAre(RowId{11}, RowId{11 + 2 * kPartitions}));

  store.Commit(partition);
  EXPECT_EQ(store.ChangedRows(partition), 1U) << "what changed behind the file is not in it";
}

TEST(SlabStore, APartitionsRowsStandBySlot) {
  LocalRows local(MakeOptions("adam {}", 1));
  local.Initialize();
  const Partitioning partitioning(kPartitions);
  const std::size_t stride = RowLayout(MakeTables()[0].shape).stride();
  for (std::uint32_t id = 0; id < kUserRows; ++id) {
    const PartitionId partition = partitioning.Of(RowId{id});
    const float* const rows = local.store().PinPartition(kUsers, partition).value();
    EXPECT_EQ(rows + partitioning.SlotOf(RowId{id}) * stride, local.Row(kUsers, RowId{id}));
    local.store().ReleasePartition(kUsers, partition);
  }
}

TEST(SlabStore, BytesAreOneStrideARow) {
  const RowStore::Table tables[] = {{.rows = kUserRows, .stride = 48},
                                    {.rows = kItemRows, .stride = 64}};
  EXPECT_EQ(SlabStore::BytesFor(tables, Partitioning(kPartitions), {0, kPartitions}),
            (kUserRows * 48 + kItemRows * 64) * sizeof(float));
}

}  // namespace
}  // namespace cf
