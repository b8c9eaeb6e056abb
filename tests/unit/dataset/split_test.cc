#include "common/dataset/split.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <tuple>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <xxhash.h>

#include "common/base/partition.h"
#include "common/dataset/import.h"
#include "common/dataset/writer.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::split_test {
namespace {

using ::testing::HasSubstr;

/// `users` times `items` pairs of which about a third are there; times with many ties.
Dataset Generated(const TestFolder& folder, std::uint32_t users, std::uint32_t items,
                  bool timestamps = true) {
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create(
      {.folder = folder.Path("d"), .has_timestamps = timestamps, .overwrite = true});
  std::mt19937 random(3);
  SampleChunk chunk;
  for (std::uint32_t u = 0; u < users; ++u) {
    for (std::uint32_t i = 0; i < items; ++i) {
      if (i != u % items && random() % 3 != 0) continue;
      chunk.users.push_back(u);
      chunk.items.push_back(i);
      chunk.ratings.push_back(static_cast<float>(random() % 1000) / 7);
      if (timestamps) chunk.timestamps.push_back(static_cast<std::int64_t>(random() % 500) - 250);
    }
  }
  std::vector<std::int64_t> raw_users(users);
  std::vector<std::int64_t> raw_items(items);
  std::iota(raw_users.begin(), raw_users.end(), 0);
  std::iota(raw_items.begin(), raw_items.end(), 0);
  writer->SetUsers(Vocabulary(raw_users));
  writer->SetItems(Vocabulary(raw_items));
  writer->Append(std::move(chunk));
  EXPECT_TRUE(writer->Finish().ok());
  return Dataset::Open(folder.Path("d")).value();
}

DataSplit SplitOrDie(const Dataset& data, const Split& config) {
  absl::StatusOr<DataSplit> split = DataSplit::Make(data, config);
  if (!split.ok()) ADD_FAILURE() << split.status();
  return *std::move(split);
}

std::set<std::uint64_t> Marked(const DataSplit& split) {
  std::set<std::uint64_t> marked;
  for (std::uint64_t k = 0; k < split.samples(); ++k) {
    if (split.is_validation(k)) marked.insert(k);
  }
  EXPECT_EQ(marked.size(), split.validation_count());
  EXPECT_EQ(split.training_count() + split.validation_count(), split.samples());
  return marked;
}

template <class Key>
std::set<std::uint64_t> Smallest(std::uint64_t samples, std::uint64_t count, const Key& key) {
  std::vector<std::uint64_t> order(samples);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  std::sort(order.begin(), order.end(),
            [&key](std::uint64_t a, std::uint64_t b) { return key(a) < key(b); });
  return {order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count)};
}

std::vector<std::uint32_t> UsersOf(const Dataset& data) {
  std::vector<std::uint32_t> users;
  for (std::uint32_t u = 0; u < data.users(); ++u) {
    users.insert(users.end(), data.user_offsets()[u + 1] - data.user_offsets()[u], u);
  }
  return users;
}

TEST(DataSplit, RandomTakesTheSmallestHashes) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 700, 400);
  const std::vector<std::uint32_t> users = UsersOf(data);
  for (const double fraction : {0.1, 0.5, 0.001, 0.999}) {
    Split config;
    config.mutable_random()->set_fraction(fraction);
    config.mutable_random()->set_seed(7);
    const DataSplit split = SplitOrDie(data, config);
    const auto count =
        static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(data.samples())));
    EXPECT_EQ(Marked(split), Smallest(data.samples(), count, [&](std::uint64_t k) {
                const std::uint32_t pair[2] = {users[k],
                                               static_cast<std::uint32_t>(data.item_column()[k])};
                return std::pair(XXH3_64bits_withSeed(pair, 8, 7), k);
              }));
  }
  Split one;
  one.mutable_random();
  Split other;
  other.mutable_random()->set_seed(43);
  EXPECT_NE(Marked(SplitOrDie(data, one)), Marked(SplitOrDie(data, other)));
  EXPECT_EQ(SplitOrDie(data, one).name(), "random .1, seed 42");
}

TEST(DataSplit, CountsAreThoseOfTheFractionAsWritten) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 100, 1);
  ASSERT_EQ(data.samples(), 100U);
  for (const auto& [fraction, count] :
       {std::pair(0.07, 7U), std::pair(0.29, 29U), std::pair(0.075, 8U), std::pair(0.001, 1U)}) {
    Split config;
    config.mutable_random()->set_fraction(fraction);
    EXPECT_EQ(SplitOrDie(data, config).validation_count(), count) << fraction;
  }
}

// Goal: a rank that is told where a random split ends finds that split in its own users' samples.
TEST(DataSplit, OfSomePartitionsIsThatOfTheWhole) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 700, 40);
  const std::vector<std::uint32_t> users = UsersOf(data);
  const Partitioning partitioning(8);
  for (const double fraction : {0.1, 0.001, 0.999}) {
    Split config;
    config.mutable_random()->set_fraction(fraction);
    const DataSplit whole = SplitOrDie(data, config);
    const std::vector<SeatRange> ranges = {{.first = 1, .last = 3}, {.first = 6, .last = 7}};
    DataSplit part = DataSplit::MakeFor({.partitioning = partitioning, .ranges = ranges},
                                        whole.cut(), data, config)
                         .value();
    EXPECT_TRUE(whole.whole());
    EXPECT_FALSE(part.whole());
    EXPECT_EQ(part.validation_count(), whole.validation_count());
    EXPECT_EQ(part.name(), whole.name());
    std::vector<bool> known = {false, true, true, false, false, false, true, false};
    const auto expect_known = [&] {
      for (std::uint64_t k = 0; k < data.samples(); ++k) {
        const std::size_t partition = Index(partitioning.Of(RowId{users[k]}));
        ASSERT_EQ(part.is_validation(k), known[partition] && whole.is_validation(k)) << k;
      }
    };
    expect_known();
    part.Include({.partitioning = partitioning, .ranges = {{.first = 0, .last = 4}}}, data, config);
    known[0] = known[3] = true;
    expect_known();
  }
}

TEST(DataSplit, GlobalTimeTakesTheNewest) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 500, 300);
  Split config;
  config.mutable_global_time()->set_fraction(0.25);
  const DataSplit split = SplitOrDie(data, config);
  EXPECT_EQ(split.name(), "global time .25");
  // Ties go by user and item: the later in canonical order counts as the newer.
  EXPECT_EQ(Marked(split),
            Smallest(data.samples(), (data.samples() + 3) / 4, [&data](std::uint64_t k) {
              return std::pair(-data.timestamps()[k], data.samples() - k);
            }));
}

TEST(DataSplit, LeaveLastOutTakesOneOfEachUserWhoHasTwo) {
  const TestFolder folder;
  absl::StatusOr<DatasetWriter> writer =
      DatasetWriter::Create({.folder = folder.Path("d"), .has_timestamps = true});
  writer->SetUsers(Vocabulary(std::vector<std::int64_t>{1, 2, 3}));
  writer->SetItems(Vocabulary(std::vector<std::int64_t>{1, 2, 3}));
  writer->Append({.users = {0, 0, 0, 1, 1, 2},
                  .items = {0, 1, 2, 0, 1, 0},
                  .ratings = {1, 1, 1, 1, 1, 1},
                  .timestamps = {5, 9, 7, 4, 4, 1}});
  ASSERT_TRUE(writer->Finish().ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  Split config;
  config.mutable_leave_last_out();
  const DataSplit split = SplitOrDie(data, config);
  // User 1's second item is its newest; user 2's two are equal, and the later item id counts.
  EXPECT_EQ(Marked(split), (std::set<std::uint64_t>{1, 4}));
  EXPECT_EQ(split.name(), "leave last out");
}

TEST(DataSplit, LeaveOneOutTakesTheSmallestHashOfEachUserWhoHasTwo) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 300, 4, /*timestamps=*/false);
  Split config;
  config.mutable_leave_one_out()->set_seed(7);
  const DataSplit split = SplitOrDie(data, config);
  EXPECT_EQ(split.name(), "leave one out, seed 7");
  std::set<std::uint64_t> expected;
  std::uint64_t single = 0;
  for (std::uint32_t u = 0; u < data.users(); ++u) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> keys;
    for (std::uint64_t k = data.user_offsets()[u]; k < data.user_offsets()[u + 1]; ++k) {
      const std::uint32_t pair[2] = {u, static_cast<std::uint32_t>(data.item_column()[k])};
      keys.emplace_back(XXH3_64bits_withSeed(pair, 8, 7), k);
    }
    if (keys.size() < 2) {
      ++single;
    } else {
      expected.insert(std::min_element(keys.begin(), keys.end())->second);
    }
  }
  EXPECT_GT(single, 10U);
  EXPECT_EQ(Marked(split), expected);
  config.mutable_leave_one_out()->set_seed(8);
  EXPECT_NE(Marked(SplitOrDie(data, config)), expected);
}

TEST(DataSplit, RefusesWhatTheDataCannotGive) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 10, 10, /*timestamps=*/false);
  EXPECT_EQ(SplitOrDie(data, Split()).validation_count(), 0U);
  EXPECT_EQ(SplitOrDie(data, Split()).name(), "none");
  Split config;
  config.mutable_given();
  EXPECT_THAT(std::string(DataSplit::Make(data, config).status().message()),
              HasSubstr("imported with --validation"));
  config.mutable_leave_last_out();
  EXPECT_TRUE(absl::IsFailedPrecondition(DataSplit::Make(data, config).status()));
  config.mutable_global_time();
  EXPECT_TRUE(absl::IsFailedPrecondition(DataSplit::Make(data, config).status()));
  for (const double fraction : {0.0, 1.0, -0.5, std::nan("")}) {
    config.mutable_random()->set_fraction(fraction);
    EXPECT_TRUE(absl::IsInvalidArgument(DataSplit::Make(data, config).status())) << fraction;
  }
}

TEST(ComputeTrainingStatistics, SumsPartitionsOfTrainingSamplesAlongTheTree) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 300, 50);
  const std::vector<std::uint32_t> users = UsersOf(data);
  Split config;
  config.mutable_random()->set_fraction(0.3);
  const DataSplit split = SplitOrDie(data, config);
  for (const std::uint32_t partitions : {1U, 16U, 64U}) {
    const absl::StatusOr<TrainingStatistics> statistics =
        ComputeTrainingStatistics(data, split, partitions);
    ASSERT_TRUE(statistics.ok());
    std::vector<double> sums(partitions, 0);
    float min = 1e9F;
    float max = -1e9F;
    for (std::uint64_t k = 0; k < data.samples(); ++k) {
      if (split.is_validation(k)) continue;
      sums[Index(Partitioning(partitions).Of(RowId{users[k]}))] +=
          static_cast<double>(data.ratings()[k]);
      min = std::min(min, data.ratings()[k]);
      max = std::max(max, data.ratings()[k]);
    }
    EXPECT_EQ(statistics->mean, SumAlongTree(sums) / static_cast<double>(split.training_count()));
    EXPECT_EQ(statistics->min, min);
    EXPECT_EQ(statistics->max, max);
  }
}

// The scaled sigmoid goes from one to the other.
TEST(ComputeTrainingStatistics, ExtremesThatOnlyValidationHasAreUnknown) {
  const TestFolder folder;
  const std::string header = "user,item,rating\n";
  const auto made = Import({.ratings = {folder.Write("r.csv", header + "1,1,2\n1,2,4\n2,1,3\n")},
                            .validation = folder.Write("v.csv", header + "2,2,5\n2,3,1\n"),
                            .out = folder.Path("d")});
  ASSERT_TRUE(made.ok()) << made.status();
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  Split config;
  config.mutable_given();
  const DataSplit split = SplitOrDie(data, config);
  ASSERT_EQ(split.validation_count(), 2U);
  const TrainingStatistics statistics = ComputeTrainingStatistics(data, split, 1).value();
  EXPECT_EQ(statistics.min, 2);
  EXPECT_EQ(statistics.max, 4);
  EXPECT_EQ(statistics.mean, 3);
  EXPECT_DOUBLE_EQ(statistics.deviation, std::sqrt(2.0 / 3));
}

TEST(ComputeTrainingStatistics, NeedsATrainingSample) {
  const TestFolder folder;
  const Dataset data = Generated(folder, 1, 1);
  Split config;
  config.mutable_random();
  const DataSplit split = SplitOrDie(data, config);
  EXPECT_EQ(split.training_count(), 0U);
  EXPECT_TRUE(absl::IsFailedPrecondition(ComputeTrainingStatistics(data, split, 16).status()));
}

}  // namespace
}  // namespace cf::split_test
