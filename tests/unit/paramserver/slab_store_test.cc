#include "paramserver/slab_store.h"

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "paramserver/block_host.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::slab_store_test {
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

// Goal: what is put back after a loss is all that is not as a snapshot has it, and dense Adam moves rows
// before their gradients come, between which a rank may be lost. Method: rows are brought up to date,
// and no gradient follows.
TEST(SlabStore, RowsThatDenseAdamMovesHaveChanged) {
  const std::vector<RowId> ids = {RowId{11}, RowId{11 + 2 * kPartitions}};
  const Partitioning partitioning(kPartitions);
  const PartitionId partition = partitioning.Of(ids[0]);
  const std::vector<std::uint32_t> slots = {partitioning.SlotOf(ids[0]),
                                            partitioning.SlotOf(ids[1])};
  for (const auto& [optimizer, moved] :
       {std::pair("adam { update: DENSE }", 2U), std::pair("adam {}", 0U)}) {
    LocalRows local(MakeOptions(optimizer, 1));
    local.Initialize();
    RowStore& store = local.store();
    store.MarkWritten(partition);
    store.Commit(partition);
    BlockHost host({.store = &store,
                    .optimizer = &local.rule(),
                    .kernels = KernelsFor(KernelTarget::kBest).value(),
                    .tables = MakeOptions(optimizer, 1).tables,
                    .partitioning = partitioning});
    ASSERT_TRUE(host.Users(partition).ok());
    host.CatchUpUsers(partition, 4, slots);
    EXPECT_EQ(store.ChangedRows(partition), moved) << optimizer << ", in BLOCKS";
    host.ReleaseUsers(partition);
  }
  LocalRows local(MakeOptions("adam { update: DENSE }", 1));
  local.Initialize();
  local.store().MarkWritten(partition);
  local.store().Commit(partition);
  ASSERT_TRUE(local.service().CatchUpOwn(kUsers, 4, ids).ok());
  EXPECT_EQ(local.store().ChangedRows(partition), 2U) << "in SYNC";
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

/// A store of some partitions of one table, whose rows say which they are.
class MovedStore : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kRows = 20'000;
  static constexpr std::size_t kStride = 16;

  static float* Row(SlabStore& store, std::uint32_t partition, std::uint32_t slot) {
    return store.PinPartition(kUsers, PartitionId{partition}).value() + slot * kStride;
  }
  void Fill(SlabStore& store) const {
    for (std::uint32_t p = store.range().first; p < store.range().last; ++p) {
      for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(PartitionId{p}, kRows); ++slot) {
        Row(store, p, slot)[0] =
            static_cast<float>(Index(partitioning_.IdAt(PartitionId{p}, slot)));
      }
    }
  }

  const Partitioning partitioning_{kPartitions};
  const std::vector<RowStore::Table> tables_ = {{.rows = kRows, .stride = kStride}};
};

// Goal: whatever ranges a store moves to, rows that it has had all the while are as they were, and others
// are zeros; and so with what it knows of changes.
TEST_F(MovedStore, KeepsTheRowsOfPartitionsThatStay) {
  const std::vector<std::vector<SeatRange>> lives = {
      {{1, 6}}, {{3, 8}, {2, 5}}, {{0, 2}}, {{4, 5}, {0, 8}, {4, 6}}, {{5, 8}, {2, 8}}, {{2, 5}}};
  for (const std::vector<SeatRange>& life : lives) {
    const std::unique_ptr<SlabStore> store =
        SlabStore::Open(tables_, partitioning_, {2, 5}).value();
    Fill(*store);
    for (std::uint32_t p = 2; p < 5; ++p) store->MarkChanged(kUsers, PartitionId{p}, {{p}});
    std::vector<bool> stays = {false, false, true, true, true, false, false, false};
    for (const SeatRange& range : life) {
      ASSERT_TRUE(store->MoveTo(range).ok());
      for (std::uint32_t p = 0; p < kPartitions; ++p) {
        stays[p] = stays[p] && range.Contains(PartitionId{p});
      }
    }
    for (std::uint32_t p = life.back().first; p < life.back().last; ++p) {
      const PartitionId partition{p};
      for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(partition, kRows); ++slot) {
        const auto id = static_cast<float>(Index(partitioning_.IdAt(partition, slot)));
        ASSERT_EQ(Row(*store, p, slot)[0], stays[p] ? id : 0.0F) << p << ", slot " << slot;
      }
      EXPECT_EQ(store->ChangedRows(partition), stays[p] ? 1U : 0U);
      const auto since = store->ChangedSince(kUsers, partition, Filed::kCommitted);
      EXPECT_EQ(since[0], stays[p] ? std::uint64_t{1} << p : 0U);
    }
  }
}

// Which rows are where in a partition that others have worked on nobody knows.
TEST_F(MovedStore, TrustsNoRowThatMayHaveChangedPlaces) {
  const RowStore::Table items[] = {{.rows = kRows, .stride = kStride, .change_places = true}};
  const auto store = SlabStore::Open(items, partitioning_, {0, 1}).value();
  for (const std::uint64_t word : store->ChangedSince(kUsers, PartitionId{0}, Filed::kWritten)) {
    EXPECT_EQ(word, ~std::uint64_t{0});
  }
}

TEST(SlabStore, BytesAreOneStrideARow) {
  const RowStore::Table tables[] = {{.rows = kUserRows, .stride = 48},
                                    {.rows = kItemRows, .stride = 64}};
  EXPECT_EQ(SlabStore::BytesFor(tables, Partitioning(kPartitions), {0, kPartitions}),
            (kUserRows * 48 + kItemRows * 64) * sizeof(float));
}

}  // namespace
}  // namespace cf::slab_store_test
