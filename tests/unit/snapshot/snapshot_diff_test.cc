#include "common/snapshot/snapshot_diff.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/snapshot/test_run.h"

namespace cf::snapshot_diff_test {
namespace {

using testing::HasSubstr;

class DifferenceTest : public testing::Test {
 protected:
  /// Commits all rows of `model` to a folder of their own, with what `change` makes of the manifest.
  Snapshot Write(const TestModel& model, const std::function<void(Manifest&)>& change = {}) {
    const std::string path = folder_.path() + std::to_string(++written_);
    absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(path);
    const SnapshotTime time = {.generation = 1, .step = 10};
    Manifest manifest = model.MakeManifest(time, {model.WriteBase(path, time)});
    if (change) change(manifest);
    Check(store->Commit(manifest).ok(), "the test can commit a snapshot");
    return Snapshot::Open(path + "/latest").value();
  }

  TestFolder folder_;
  int written_ = 0;
};

/// The norm of floats `first` to `last` of a row, or of their difference, by the definition.
double Norm(const std::vector<float>& a, const std::vector<float>& b, std::size_t first,
            std::size_t last, double sign_of_b) {
  double sum = 0;
  for (std::size_t k = first; k < last; ++k) {
    const double number = static_cast<double>(a[k]) + sign_of_b * static_cast<double>(b[k]);
    sum += number * number;
  }
  return std::sqrt(sum);
}

TEST_F(DifferenceTest, CountsRowsAndNormsByTableAndPart) {
  TestModel model(4);
  const TestModel before = model;
  const Snapshot a = Write(model);
  for (const std::uint32_t id : {3U, 7U, 36U}) model.Touch(kUsers, RowId{id});
  model.Touch(kUsers, RowId{7});
  const Snapshot b = Write(model);

  const std::vector<TableDifference> tables = DifferenceOf(a, b, 10).value();
  ASSERT_EQ(tables.size(), 2U);
  EXPECT_EQ(tables[0].name, "users");
  EXPECT_EQ(tables[0].rows, 37U);
  EXPECT_EQ(tables[0].rows_changed, 3U);
  EXPECT_EQ(tables[0].weights.rows_changed, 3U);
  ASSERT_EQ(tables[0].moments.size(), 2U);
  EXPECT_FALSE(tables[0].last_steps);
  double squares_a = 0;
  double squares_difference = 0;
  double second_moments = 0;
  for (std::uint32_t id = 0; id < 37; ++id) {
    const std::vector<float> old = before.Record(kUsers, RowId{id});
    const std::vector<float> now = model.Record(kUsers, RowId{id});
    squares_a += std::pow(Norm(old, old, 0, 6, 0), 2);
    squares_difference += std::pow(Norm(old, now, 0, 6, -1), 2);
    second_moments += std::pow(Norm(old, now, 12, 18, -1), 2);
  }
  EXPECT_NEAR(tables[0].weights.norm_a, std::sqrt(squares_a), 1e-9);
  EXPECT_NEAR(tables[0].weights.norm_of_difference, std::sqrt(squares_difference), 1e-9);
  EXPECT_NEAR(tables[0].moments[1].norm_of_difference, std::sqrt(second_moments), 1e-9);
  EXPECT_EQ(tables[1].rows_changed, 0U);
  EXPECT_EQ(tables[1].weights.norm_of_difference, 0);
  EXPECT_EQ(tables[1].weights.norm_a, tables[1].weights.norm_b);
  EXPECT_TRUE(tables[1].largest_changes.empty());
}

TEST_F(DifferenceTest, ListsTheLargestChangesFirst) {
  TestModel model(4);
  const TestModel before = model;
  const Snapshot a = Write(model);
  std::vector<std::pair<double, std::uint32_t>> truth;
  for (std::uint32_t id = 0; id < 12; ++id) {
    for (std::uint32_t times = 0; times <= id * 5 % 12; ++times) model.Touch(kItems, RowId{id});
    truth.emplace_back(
        -Norm(before.Record(kItems, RowId{id}), model.Record(kItems, RowId{id}), 0, 4, -1), id);
  }
  std::sort(truth.begin(), truth.end());
  const Snapshot b = Write(model);
  const std::vector<RowChange> largest = DifferenceOf(a, b, 5).value()[1].largest_changes;
  ASSERT_EQ(largest.size(), 5U);
  for (std::size_t k = 0; k < largest.size(); ++k) {
    EXPECT_EQ(Index(largest[k].id), truth[k].second);
    EXPECT_NEAR(largest[k].norm_of_difference, -truth[k].first, 1e-9);
  }
  EXPECT_TRUE(DifferenceOf(a, b, 0).value()[1].largest_changes.empty());
}

// A delta holds the rows that changed, whatever was there before it.
TEST_F(DifferenceTest, ReadsBasesAndDeltasAlike) {
  TestModel model(2);
  const std::string path = folder_.path();
  SnapshotStore store = SnapshotStore::Open(path).value();
  const SnapshotTime first = {.generation = 1, .step = 10};
  const auto base = model.WriteBase(path, first);
  ASSERT_TRUE(store.Commit(model.MakeManifest(first, {base})).ok());
  model.Touch(kItems, RowId{20});
  const SnapshotTime second = {.generation = 1, .step = 20};
  const auto delta = model.Write(path, second, DELTA, [](TableId table, RowId id) {
    return table == kItems && Index(id) >= 19;
  });
  ASSERT_TRUE(store.Commit(model.MakeManifest(second, {base, delta})).ok());
  const std::vector<TableDifference> tables =
      DifferenceOf(Snapshot::Open(store.PathOf(SnapshotName(first))).value(),
                   Snapshot::Open(path + "/latest").value(), 3)
          .value();
  EXPECT_EQ(tables[0].rows_changed, 0U);
  EXPECT_EQ(tables[1].rows_changed, 1U);
  ASSERT_EQ(tables[1].largest_changes.size(), 1U);
  EXPECT_EQ(tables[1].largest_changes[0].id, RowId{20});
}

TEST_F(DifferenceTest, RefusesWhatCannotBeCompared) {
  const Snapshot a = Write(TestModel(4));
  const auto refused = [&a](const Snapshot& b) {
    const absl::Status status = DifferenceOf(a, b, 1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  };
  EXPECT_THAT(refused(Write(TestModel(4, 38))), HasSubstr("table users (37 rows"));
  EXPECT_THAT(refused(Write(TestModel(2))), HasSubstr("4 partitions and 2"));
  EXPECT_THAT(
      refused(Write(TestModel(4),
                    [](Manifest& manifest) {
                      manifest.mutable_data()->set_digest("ffffffffffffffffffffffffffffffff");
                    })),
      HasSubstr("different data sets"));
}

}  // namespace
}  // namespace cf::snapshot_diff_test
