#include "worker/samples.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"

namespace cf {
namespace {

constexpr std::uint32_t kPartitions = 8;

TEST(SamplesOfBatch, CoversAllSamplesOnce) {
  for (const std::uint64_t n : {0U, 1U, 5U, 16U, 17U, 1000U}) {
    for (const std::uint64_t batches : {1U, 2U, 7U, 16U, 100U, 1001U}) {
      std::uint64_t next = 0;
      for (std::uint64_t t = 0; t < batches; ++t) {
        const SampleRange range = SamplesOfBatch(n, t, batches);
        ASSERT_EQ(range.first, next);
        ASSERT_GE(range.last - range.first, n / batches);
        ASSERT_LE(range.last - range.first, (n + batches - 1) / batches);
        next = range.last;
      }
      EXPECT_EQ(next, n);
    }
  }
}

TEST(SamplesOfBatch, DoesNotOverflow) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  EXPECT_EQ(SamplesOfBatch(kMost, 1, 2).first, kMost / 2);
  EXPECT_EQ(SamplesOfBatch(kMost, kMost - 1, kMost).last, kMost);
}

class PartitionSamplesTest : public ::testing::Test {
 protected:
  PartitionSamplesTest() {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    split.mutable_random()->set_seed(42);
    split_.emplace(DataSplit::Make(data_, split).value());
  }

  PartitionSamples Samples(std::uint32_t partition) const {
    return PartitionSamples(data_, *split_, Partitioning(kPartitions), PartitionId{partition});
  }

  static std::vector<std::pair<RowId, RowId>> Pairs(std::span<const Sample> samples) {
    std::vector<std::pair<RowId, RowId>> pairs;
    for (const Sample& sample : samples) pairs.emplace_back(sample.user, sample.item);
    return pairs;
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  std::optional<DataSplit> split_;
};

TEST_F(PartitionSamplesTest, EverySampleIsInItsUsersPartitionInCanonicalOrder) {
  std::set<std::pair<RowId, RowId>> seen;
  std::uint64_t validation = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    const PartitionSamples samples = Samples(p);
    validation += samples.validation().size();
    for (const std::span<const Sample> list : {samples.training(), samples.validation()}) {
      EXPECT_TRUE(std::ranges::is_sorted(
          list, {}, [](const Sample& sample) { return std::pair(sample.user, sample.item); }));
      for (const Sample& sample : list) {
        EXPECT_EQ(Partitioning(kPartitions).Of(sample.user), PartitionId{p});
        EXPECT_TRUE(seen.emplace(sample.user, sample.item).second);
      }
    }
  }
  EXPECT_EQ(seen.size(), data_.samples());
  EXPECT_EQ(validation, split_->validation_count());
}

TEST_F(PartitionSamplesTest, AShuffleVisitsEverySampleOnce) {
  PartitionSamples samples = Samples(0);
  const auto canonical = Pairs(samples.training());
  samples.Shuffle(42, 0, 1);
  auto shuffled = Pairs(samples.shuffled());
  EXPECT_NE(shuffled, canonical);
  std::ranges::sort(shuffled);
  EXPECT_EQ(shuffled, canonical);
}

// Whoever trains the epoch, and whatever was trained before it: a resumed run visits the same
// order.
TEST_F(PartitionSamplesTest, AShuffleIsAFunctionOfSeedEpochAndPartition) {
  for (const std::uint32_t user_group : {1U, 3U}) {
    PartitionSamples samples = Samples(0);
    samples.Shuffle(42, 3, user_group);
    const auto third = Pairs(samples.shuffled());
    samples.Shuffle(42, 4, user_group);
    EXPECT_NE(Pairs(samples.shuffled()), third);
    samples.Shuffle(43, 3, user_group);
    EXPECT_NE(Pairs(samples.shuffled()), third);
    samples.Shuffle(42, 3, user_group);
    EXPECT_EQ(Pairs(samples.shuffled()), third);
    PartitionSamples again = Samples(0);
    again.Shuffle(42, 3, user_group);
    EXPECT_EQ(Pairs(again.shuffled()), third);
  }
}

// Where every sample is a group of its own, batches have what they had before there were groups.
TEST_F(PartitionSamplesTest, WithoutGroupsABatchHasItsShareOfTheSamples) {
  PartitionSamples samples = Samples(0);
  samples.Shuffle(42, 0, 1);
  for (std::uint64_t t = 0; t < 7; ++t) {
    const SampleRange expected = SamplesOfBatch(samples.shuffled().size(), t, 7);
    EXPECT_EQ(samples.OfBatch(t, 7).first, expected.first);
    EXPECT_EQ(samples.OfBatch(t, 7).last, expected.last);
  }
}

// Goal: groups are of one user, as even as they can be and at most as large as asked for, in an
// order that differs from epoch to epoch; batches cut between groups only. Method: batches as many as
// samples, so that each has one group or none.
TEST_F(PartitionSamplesTest, GroupsHaveSamplesOfOneUserAndStayTogether) {
  constexpr std::uint32_t kGroup = 4;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    PartitionSamples samples = Samples(p);
    std::set<std::vector<std::pair<RowId, RowId>>> groups[2];
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      samples.Shuffle(42, epoch, kGroup);
      auto visited = Pairs(samples.shuffled());
      std::ranges::sort(visited);
      EXPECT_EQ(visited, Pairs(samples.training()));

      const std::uint64_t batches = samples.shuffled().size();
      std::map<RowId, std::vector<std::size_t>> sizes;
      std::uint64_t next = 0;
      for (std::uint64_t t = 0; t < batches; ++t) {
        const SampleRange range = samples.OfBatch(t, batches);
        ASSERT_EQ(range.first, next);
        next = range.last;
        if (range.first == range.last) continue;
        const std::span<const Sample> group =
            samples.shuffled().subspan(range.first, range.last - range.first);
        groups[epoch].insert(Pairs(group));
        sizes[group.front().user].push_back(group.size());
        for (const Sample& sample : group) EXPECT_EQ(sample.user, group.front().user);
      }
      EXPECT_EQ(next, batches);
      for (const auto& [user, of_user] : sizes) {
        const auto [least, most] = std::ranges::minmax(of_user);
        EXPECT_LE(most, kGroup);
        EXPECT_LE(most - least, 1U);
        const std::size_t count = samples.TrainingOf(Partitioning(kPartitions).SlotOf(user)).size();
        EXPECT_EQ(of_user.size(), (count + kGroup - 1) / kGroup);
      }
    }
    EXPECT_NE(groups[0], groups[1]) << "who is beside whom changes";
  }
}

}  // namespace
}  // namespace cf
