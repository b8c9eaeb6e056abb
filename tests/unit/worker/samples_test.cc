#include "worker/samples.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

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
  samples.Shuffle(42, 0);
  auto shuffled = Pairs(samples.shuffled());
  EXPECT_NE(shuffled, canonical);
  std::ranges::sort(shuffled);
  EXPECT_EQ(shuffled, canonical);
}

// Whoever trains the epoch, and whatever was trained before it: a resumed run visits the same
// order.
TEST_F(PartitionSamplesTest, AShuffleIsAFunctionOfSeedEpochAndPartition) {
  PartitionSamples samples = Samples(0);
  samples.Shuffle(42, 3);
  const auto third = Pairs(samples.shuffled());
  samples.Shuffle(42, 4);
  EXPECT_NE(Pairs(samples.shuffled()), third);
  samples.Shuffle(43, 3);
  EXPECT_NE(Pairs(samples.shuffled()), third);
  samples.Shuffle(42, 3);
  EXPECT_EQ(Pairs(samples.shuffled()), third);
  PartitionSamples again = Samples(0);
  again.Shuffle(42, 3);
  EXPECT_EQ(Pairs(again.shuffled()), third);
}

}  // namespace
}  // namespace cf
