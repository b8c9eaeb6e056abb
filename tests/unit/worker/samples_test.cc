#include "worker/samples.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"

namespace cf::samples_test {
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

class SamplesTest : public ::testing::Test {
 protected:
  SamplesTest() {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    split.mutable_random()->set_seed(42);
    split_.emplace(DataSplit::Make(data_, split).value());
  }

  SeatSamples Samples(SeatRange range = {0, kPartitions}) const {
    return {data_, *split_, Partitioning(kPartitions), range};
  }

  using Pairs = std::vector<std::pair<RowId, RowId>>;
  static Pairs PairsOf(std::span<const Sample> samples) {
    Pairs pairs;
    for (const Sample& sample : samples) pairs.emplace_back(sample.user, sample.item);
    return pairs;
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  std::optional<DataSplit> split_;
};

// Goal: samples that a seat is given are those that it would have read, whatever orders were taken before and
// whichever partitions come beside.
TEST_F(SamplesTest, ThoseThatWereKeptAreAsIfTheyHadBeenRead) {
  constexpr std::uint64_t kSeed = 7;
  for (const std::uint32_t user_group : {1U, 3U}) {
    for (const std::optional<std::uint64_t> kept_epoch :
         {std::optional<std::uint64_t>(), {1}, {2}}) {
      KeptSamples kept(kPartitions);
      const Sample* of_partition_4 = nullptr;
      {
        SeatSamples before = Samples({2, 6});
        if (kept_epoch.has_value()) {
          ASSERT_TRUE(before.TakeEpoch(kSeed, *kept_epoch, user_group).ok());
        }
        of_partition_4 = before.partitions()[2].validation().data();
        before.GiveTo(kept);
      }
      kept[3].reset();
      SeatSamples after(data_, *split_, Partitioning(kPartitions), {1, 7}, "", &kept);
      SeatSamples read = Samples({1, 7});
      EXPECT_EQ(after.partitions()[3].validation().data(), of_partition_4) << "it was read again";
      for (const std::uint64_t epoch : {1U, 2U, 1U}) {
        ASSERT_TRUE(after.TakeEpoch(kSeed, epoch, user_group).ok());
        ASSERT_TRUE(read.TakeEpoch(kSeed, epoch, user_group).ok());
        for (std::uint32_t p = 0; p < 6; ++p) {
          EXPECT_EQ(PairsOf(after.partitions()[p].training()),
                    PairsOf(read.partitions()[p].training()));
          EXPECT_EQ(PairsOf(after.partitions()[p].validation()),
                    PairsOf(read.partitions()[p].validation()));
          EXPECT_EQ(after.Count(SampleKind::kTraining, p), read.Count(SampleKind::kTraining, p));
          EXPECT_EQ(after.OfBatch(p, 2, 5).last, read.OfBatch(p, 2, 5).last);
        }
      }
      ASSERT_TRUE(after.TakeCanonical().ok());
      ASSERT_TRUE(read.TakeCanonical().ok());
      EXPECT_EQ(PairsOf(after.partitions()[3].training()),
                PairsOf(read.partitions()[3].training()));
    }
  }
}

// Goal: seats share out all samples, and canonical order is that of the data set. Method: seats of
// one partition, of all, and of what is left and right of an odd place.
TEST_F(SamplesTest, EverySampleIsInItsUsersPartitionInCanonicalOrder) {
  for (const std::uint32_t cut : {0U, 1U, 3U, kPartitions}) {
    std::vector<std::map<std::pair<RowId, RowId>, float>> found(2);
    for (const SeatRange range : {SeatRange{0, cut}, SeatRange{cut, kPartitions}}) {
      if (range.size() == 0) continue;
      SeatSamples samples = Samples(range);
      EXPECT_EQ(samples.TakeCanonical(), absl::OkStatus());
      ASSERT_EQ(samples.partitions().size(), range.size());
      for (std::uint32_t p = 0; p < range.size(); ++p) {
        const PartitionSamples& partition = samples.partitions()[p];
        const std::span<const Sample> lists[] = {partition.training(), partition.validation()};
        for (std::size_t kind = 0; kind < 2; ++kind) {
          EXPECT_TRUE(std::ranges::is_sorted(PairsOf(lists[kind])));
          for (const Sample& sample : lists[kind]) {
            EXPECT_EQ(Partitioning(kPartitions).Of(sample.user), PartitionId{range.first + p});
            EXPECT_TRUE(
                found[kind].emplace(std::pair(sample.user, sample.item), sample.rating).second);
          }
        }
      }
    }
    std::vector<std::map<std::pair<RowId, RowId>, float>> expected(2);
    for (std::uint32_t user = 0; user < data_.users(); ++user) {
      for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
        expected[split_->is_validation(s) ? 1 : 0].emplace(
            std::pair(RowId{user}, data_.item_column()[s]), data_.ratings()[s]);
      }
    }
    EXPECT_EQ(found, expected) << cut;
  }
}

// Goal: the order of an epoch is the shuffle of canonical order that docs/arithmetic.md names.
TEST_F(SamplesTest, AnEpochIsAShuffleOfCanonicalOrder) {
  SeatSamples samples = Samples({2, 5});
  EXPECT_EQ(samples.TakeCanonical(), absl::OkStatus());
  for (std::uint32_t p = 0; p < 3; ++p) {
    EXPECT_EQ(samples.TakeCanonical(), absl::OkStatus());
    const Pairs canonical = PairsOf(samples.partitions()[p].training());
    std::vector<std::uint32_t> order(canonical.size());
    std::iota(order.begin(), order.end(), 0U);
    Shuffle(order, 42, 7, 2 + p);
    EXPECT_EQ(samples.TakeEpoch(42, 7, 1), absl::OkStatus());
    const Pairs shuffled = PairsOf(samples.partitions()[p].training());
    ASSERT_EQ(shuffled.size(), order.size());
    EXPECT_NE(shuffled, canonical);
    for (std::size_t k = 0; k < order.size(); ++k) ASSERT_EQ(shuffled[k], canonical[order[k]]);
  }
}

// Whoever trains the epoch, and whatever was trained before it: a resumed run visits the same
// order.
TEST_F(SamplesTest, AnOrderIsAFunctionOfSeedEpochAndPartition) {
  for (const std::uint32_t user_group : {1U, 3U}) {
    SeatSamples samples = Samples();
    const auto taken = [&](std::uint64_t seed, std::uint64_t epoch) {
      EXPECT_EQ(samples.TakeEpoch(seed, epoch, user_group), absl::OkStatus());
      return PairsOf(samples.partitions()[4].training());
    };
    const Pairs third = taken(42, 3);
    EXPECT_NE(taken(42, 4), third);
    EXPECT_NE(taken(43, 3), third);
    EXPECT_EQ(taken(42, 3), third);
    SeatSamples again = Samples({4, 6});
    EXPECT_EQ(again.TakeEpoch(42, 3, user_group), absl::OkStatus());
    EXPECT_EQ(PairsOf(again.partitions()[0].training()), third);
    EXPECT_EQ(samples.TakeCanonical(), absl::OkStatus());
    EXPECT_TRUE(std::ranges::is_sorted(PairsOf(samples.partitions()[4].training())));
  }
}

// Where every sample is a group of its own, batches have what they had before there were groups.
TEST_F(SamplesTest, WithoutGroupsABatchHasItsShareOfTheSamples) {
  SeatSamples samples = Samples();
  EXPECT_EQ(samples.TakeEpoch(42, 0, 4), absl::OkStatus());
  EXPECT_EQ(samples.TakeEpoch(42, 0, 1), absl::OkStatus());
  const PartitionSamples& partition = samples.partitions()[0];
  for (std::uint64_t t = 0; t < 7; ++t) {
    const SampleRange expected = SamplesOfBatch(partition.training().size(), t, 7);
    EXPECT_EQ(partition.OfBatch(t, 7).first, expected.first);
    EXPECT_EQ(partition.OfBatch(t, 7).last, expected.last);
  }
}

// Goal: groups are of one user, as even as they can be and at most as large as asked for, in an
// order that differs from epoch to epoch; batches cut between groups only. Method: batches as many as
// samples, so that each has one group or none.
TEST_F(SamplesTest, GroupsHaveSamplesOfOneUserAndStayTogether) {
  constexpr std::uint32_t kGroup = 4;
  SeatSamples samples = Samples();
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(samples.TakeCanonical(), absl::OkStatus());
    const PartitionSamples& partition = samples.partitions()[p];
    const Pairs canonical = PairsOf(partition.training());
    std::set<Pairs> groups[2];
    for (std::uint64_t epoch = 0; epoch < 2; ++epoch) {
      EXPECT_EQ(samples.TakeEpoch(42, epoch, kGroup), absl::OkStatus());
      Pairs visited = PairsOf(partition.training());
      std::ranges::sort(visited);
      EXPECT_EQ(visited, canonical);

      const std::uint64_t batches = canonical.size();
      std::map<RowId, std::vector<std::size_t>> sizes;
      std::uint64_t next = 0;
      for (std::uint64_t t = 0; t < batches; ++t) {
        const SampleRange range = partition.OfBatch(t, batches);
        ASSERT_EQ(range.first, next);
        next = range.last;
        if (range.first == range.last) continue;
        const std::span<const Sample> group =
            partition.training().subspan(range.first, range.last - range.first);
        groups[epoch].insert(PairsOf(group));
        sizes[group.front().user].push_back(group.size());
        for (const Sample& sample : group) EXPECT_EQ(sample.user, group.front().user);
      }
      EXPECT_EQ(next, batches);
      for (const auto& [user, of_user] : sizes) {
        const auto [least, most] = std::ranges::minmax(of_user);
        EXPECT_LE(most, kGroup);
        EXPECT_LE(most - least, 1U);
        const auto count = static_cast<std::size_t>(std::ranges::count_if(
            canonical, [of = user](const auto& pair) { return pair.first == of; }));
        EXPECT_EQ(of_user.size(), (count + kGroup - 1) / kGroup);
      }
    }
    EXPECT_NE(groups[0], groups[1]) << "who is beside whom changes";
  }
}

}  // namespace
}  // namespace cf::samples_test
