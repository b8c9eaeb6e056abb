// Goal: copies of rows are what the rows were, however they lie in chunks, and a copy that finds no
// room leaves nothing behind. Method: rows of one word and rows larger than a chunk, memory of a few
// chunks.

#include "paramserver/frozen_rows.h"

#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "paramserver/row_scan.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::frozen_rows_test {
namespace {

constexpr std::size_t kWords = FrozenMemory::kChunkWords;

/// Two tables whose records are 16 words and more than a chunk.
std::vector<TableSpec> SmallAndLarge() {
  return {MakeTable("small", 100, 15, 0),
          MakeTable("large", 4, static_cast<std::uint32_t>(kWords) + 5, 0)};
}

/// A row in memory all of whose weights are `value`.
std::vector<float> RowOf(const TableSpec& table, float value) {
  const RowLayout layout(table.shape);
  std::vector<float> record(layout.record_floats(), value);
  std::vector<float> row(layout.stride());
  layout.FromRecord(record.data(), row.data());
  return row;
}

struct Visited {
  TableId table{};
  RowId id{};
  std::vector<float> record;
  bool operator==(const Visited&) const = default;
};

std::vector<Visited> AllOf(const FrozenRows& rows) {
  std::vector<Visited> all;
  const absl::Status visited =
      rows.Visit([&](TableId table, RowId id, std::span<const float> record) {
        all.push_back({table, id, {record.begin(), record.end()}});
        return absl::OkStatus();
      });
  EXPECT_TRUE(visited.ok()) << visited;
  return all;
}

/// How many chunks are free.
std::size_t FreeChunks(FrozenMemory& memory) {
  std::vector<std::uint32_t*> taken;
  while (std::uint32_t* const chunk = memory.Take()) taken.push_back(chunk);
  memory.Give(taken);
  return taken.size();
}

TEST(FrozenRows, AreWhatWasCopiedOverTheEdgesOfChunks) {
  const std::vector<TableSpec> tables = SmallAndLarge();
  const std::unique_ptr<FrozenMemory> memory =
      FrozenMemory::Open(6 * FrozenMemory::kChunkBytes).value();
  FrozenRows rows(memory.get(), &tables);
  std::vector<Visited> expected;
  const auto add = [&](std::uint32_t table, std::uint32_t id) {
    const float value = static_cast<float>(table) * 1000 + static_cast<float>(id);
    ASSERT_TRUE(rows.Add(TableId{table}, RowId{id}, RowOf(tables[table], value)));
    const std::size_t floats = RowLayout(tables[table].shape).record_floats();
    expected.push_back({TableId{table}, RowId{id}, std::vector<float>(floats, value)});
  };
  // 18 words a row, which do not divide a chunk; then rows that begin in one and end in another.
  for (std::uint32_t id = 0; id < 2 * kWords / 18; ++id) add(0, id);
  for (std::uint32_t id = 0; id < 3; ++id) add(1, id);
  EXPECT_EQ(AllOf(rows), expected);
}

TEST(FrozenRows, GiveTheirMemoryBackAndMayBeMoved) {
  const std::vector<TableSpec> tables = SmallAndLarge();
  const std::unique_ptr<FrozenMemory> memory =
      FrozenMemory::Open(3 * FrozenMemory::kChunkBytes).value();
  EXPECT_EQ(FreeChunks(*memory), 3U);
  {
    FrozenRows rows(memory.get(), &tables);
    ASSERT_TRUE(rows.Add(TableId{0}, RowId{7}, RowOf(tables[0], 0.5F)));
    FrozenRows moved = std::move(rows);
    EXPECT_EQ(FreeChunks(*memory), 2U);
    EXPECT_EQ(AllOf(moved).size(), 1U);
    moved = FrozenRows(memory.get(), &tables);
    EXPECT_TRUE(AllOf(moved).empty());
  }
  EXPECT_EQ(FreeChunks(*memory), 3U);
}

TEST(FrozenRows, ARowWithoutRoomLeavesThoseBeforeIt) {
  const std::vector<TableSpec> tables = SmallAndLarge();
  const std::unique_ptr<FrozenMemory> memory =
      FrozenMemory::Open(2 * FrozenMemory::kChunkBytes).value();
  FrozenRows rows(memory.get(), &tables);
  ASSERT_TRUE(rows.Add(TableId{0}, RowId{1}, RowOf(tables[0], 1)));
  ASSERT_TRUE(rows.Add(TableId{1}, RowId{0}, RowOf(tables[1], 2)));
  EXPECT_FALSE(rows.Add(TableId{1}, RowId{1}, RowOf(tables[1], 3)));
  EXPECT_EQ(AllOf(rows).size(), 2U);
  // There is room for a smaller one.
  ASSERT_TRUE(rows.Add(TableId{0}, RowId{2}, RowOf(tables[0], 4)));
  EXPECT_EQ(AllOf(rows).back().record[0], 4);
}

TEST(FrozenRows, WithoutMemoryHaveNoRoom) {
  const std::vector<TableSpec> tables = SmallAndLarge();
  const std::unique_ptr<FrozenMemory> memory = FrozenMemory::Open(0).value();
  FrozenRows rows(memory.get(), &tables);
  EXPECT_FALSE(rows.Add(TableId{0}, RowId{1}, RowOf(tables[0], 1)));
}

// Goal: one pass copies the rows that are asked for, and names those that are not finite.
TEST(FrozenRows, OfAPartitionAreItsRowsOrThoseThatChanged) {
  for (const char* optimizer : {"adam {}", "adam { update: DENSE }"}) {
    const LocalRows::Options options = MakeOptions(optimizer, 1);
    LocalRows local(options);
    local.Initialize();
    const std::unique_ptr<FrozenMemory> memory =
        FrozenMemory::Open(4 * FrozenMemory::kChunkBytes).value();
    const PartitionId p = Partitioning(kPartitions).Of(RowId{3});
    NotFiniteRows found(2);
    FrozenRows all(memory.get(), &options.tables);
    const ScannedRows scanned = local.Scanned(options.tables);
    ASSERT_TRUE(FreezeRows(scanned, p, RowStore::Which::kAll, all, found).value());
    EXPECT_EQ(AllOf(all).size(), local.store().Rows(p));
    EXPECT_EQ(found, NotFiniteRows(2));
    local.store().MarkWritten(p);
    local.store().Commit(p);

    local.Apply(kUsers, 0, RowId{3}, std::vector<float>(kWireFloats, 0.125F));
    local.Apply(kItems, 0, RowId{3}, std::vector<float>(kWireFloats, 0.125F));
    local.Row(kItems, RowId{3})[1] = NAN;
    FrozenRows changed(memory.get(), &options.tables);
    ASSERT_TRUE(FreezeRows(scanned, p, RowStore::Which::kChanged, changed, found).value());
    const std::vector<Visited> rows = AllOf(changed);
    ASSERT_EQ(rows.size(), 2U);
    EXPECT_EQ(rows[0], (Visited{kUsers, RowId{3}, local.Record(kUsers, RowId{3})}));
    EXPECT_EQ(rows[1].table, kItems);
    EXPECT_EQ(found[0], std::nullopt);
    EXPECT_EQ(found[1], RowId{3});

    const std::unique_ptr<FrozenMemory> none = FrozenMemory::Open(0).value();
    FrozenRows nowhere(none.get(), &options.tables);
    EXPECT_FALSE(FreezeRows(scanned, p, RowStore::Which::kAll, nowhere, found).value());
  }
}

}  // namespace
}  // namespace cf::frozen_rows_test
