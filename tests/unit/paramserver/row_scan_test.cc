#include "paramserver/row_scan.h"

#include <cmath>
#include <optional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::row_scan_test {
namespace {

TEST(RowScan, L2PenaltyIsOfAllRowsOfThePartition) {
  LocalRows::Options options = MakeOptions("sgd {}", 1);
  options.tables[0].l2_vectors = 0.5;
  options.tables[1].l2_vectors = 0.25;
  options.tables[1].l2_biases = 2;
  LocalRows local(options);
  local.Initialize();
  const Partitioning partitioning(kPartitions);
  double all = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    double expected = 0;
    for (std::uint32_t t = 0; t < 2; ++t) {
      const TableSpec& table = options.tables[t];
      for (std::uint32_t id = 0; id < table.shape.rows; ++id) {
        if (partitioning.Of(RowId{id}) != PartitionId{p}) continue;
        const std::vector<float> record = local.Record(TableId{t}, RowId{id});
        for (std::uint32_t k = 0; k <= kDim; ++k) {
          expected += (k < kDim ? table.l2_vectors : table.l2_biases) *
                      static_cast<double>(record[k]) * static_cast<double>(record[k]);
        }
      }
    }
    double found = 0;
    for (const TableId table : {kUsers, kItems}) {
      found += L2Penalty(local.Scanned(options.tables), table, PartitionId{p}).value();
    }
    EXPECT_NEAR(found, expected, 1e-12);
    all += expected;
  }
  EXPECT_GT(all, 0);
}

// Goal: a table without a penalty costs nothing. Method: its rows would make the sum no number.
TEST(RowScan, L2PenaltyLooksOnlyAtTablesThatHaveOne) {
  LocalRows::Options options = MakeOptions("sgd {}", 1);
  options.tables[0].l2_vectors = 0;
  options.tables[0].l2_biases = 0;
  options.tables[1].l2_biases = 2;
  LocalRows local(options);
  local.Initialize();
  for (std::uint32_t id = 0; id < options.tables[0].shape.rows; ++id) {
    local.Row(kUsers, RowId{id})[0] = NAN;
  }
  double penalty = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    for (const TableId table : {kUsers, kItems}) {
      penalty += L2Penalty(local.Scanned(options.tables), table, PartitionId{p}).value();
    }
  }
  EXPECT_TRUE(std::isfinite(penalty));
}

// Goal: the row that is named is the first by id, not by partition, and looks at optimizer state.
TEST(RowScan, FindsTheFirstRowThatIsNotFinite) {
  const LocalRows::Options options = MakeOptions("adam {}", 1);
  LocalRows local(options);
  local.Initialize();
  const ScannedRows rows = local.Scanned(options.tables);
  const auto first_of = [&](TableId table, RowStore::Which which) {
    std::optional<RowId> first;
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const std::optional<RowId> found = FirstNotFinite(rows, table, PartitionId{p}, which).value();
      if (found.has_value()) first = std::min(first.value_or(*found), *found);
    }
    return first;
  };
  const auto first = [&](RowStore::Which which) { return first_of(kUsers, which); };
  EXPECT_EQ(first(RowStore::Which::kAll), std::nullopt);
  local.Row(kUsers, RowId{40})[0] = INFINITY;
  EXPECT_EQ(first(RowStore::Which::kAll), RowId{40});
  const RowLayout layout(MakeTables()[0].shape);
  local.Row(kUsers, RowId{31})[layout.stride() - 16] = NAN;  // Of the second moments.
  EXPECT_EQ(first(RowStore::Which::kAll), RowId{31});
  EXPECT_EQ(first_of(kItems, RowStore::Which::kAll), std::nullopt);
  // Both in one partition: the first of it is told.
  const Partitioning partitioning(kPartitions);
  local.Row(kUsers, RowId{31 + 2 * kPartitions})[1] = NAN;
  ASSERT_EQ(partitioning.Of(RowId{31 + 2 * kPartitions}), partitioning.Of(RowId{31}));
  EXPECT_EQ(FirstNotFinite(rows, kUsers, partitioning.Of(RowId{31}), RowStore::Which::kAll).value(),
            RowId{31});

  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    local.store().MarkWritten(PartitionId{p});
    local.store().Commit(PartitionId{p});
  }
  EXPECT_EQ(first(RowStore::Which::kChanged), std::nullopt);
  local.Apply(kUsers, 0, RowId{40}, std::vector<float>(kWireFloats));
  EXPECT_EQ(first(RowStore::Which::kChanged), RowId{40});
}

}  // namespace
}  // namespace cf::row_scan_test
