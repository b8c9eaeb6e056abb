#include "worker/models/batch_items.h"

#include <cmath>
#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"
#include "worker/samples.h"

namespace cf::batch_items_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr std::uint64_t kSeed = 7;
constexpr std::uint64_t kBatches = 5;

class BatchItemsTest : public ::testing::Test {
 protected:
  static Split PartIsValidation() {
    Split split;
    split.mutable_random()->set_fraction(0.3);
    split.mutable_random()->set_seed(5);
    return split;
  }

  /// What Collect must say of batch t, from the samples that the seats take.
  template <class SamplesOf>
  Candidates Expected(std::uint64_t t, SamplesOf samples_of) {
    std::map<RowId, std::uint32_t> counts;
    for (const PartitionSamples& partition : samples_.partitions()) {
      const std::span<const Sample> samples = samples_of(partition);
      const SampleRange range = SamplesOfBatch(samples.size(), t, kBatches);
      for (std::uint64_t k = range.first; k < range.last; ++k) ++counts[samples[k].item];
    }
    Candidates candidates;
    for (const auto& [item, count] : counts) {
      candidates.items.push_back(item);
      candidates.counts.push_back(count);
    }
    return candidates;
  }

  template <class SamplesOf>
  void ExpectBatches(BatchItems& items, SamplesOf samples_of) {
    Candidates candidates;
    for (std::uint64_t t = 0; t < kBatches; ++t) {
      items.Collect(t, kBatches, candidates);
      const Candidates expected = Expected(t, samples_of);
      EXPECT_EQ(candidates.items, expected.items) << t;
      EXPECT_EQ(candidates.counts, expected.counts) << t;
    }
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
  DataSplit split_ = DataSplit::Make(data_, PartIsValidation()).value();
  SeatSamples samples_{data_, split_, Partitioning(kPartitions), SeatRange{0, kPartitions}};
};

TEST_F(BatchItemsTest, CandidatesAreTheItemsOfAllPartitionsSamples) {
  BatchItems items(data_, split_, Partitioning(kPartitions));
  for (const std::uint64_t epoch : {0U, 3U, 1U}) {
    EXPECT_EQ(samples_.TakeEpoch(kSeed, epoch, 1), absl::OkStatus());
    items.TakeEpoch(kSeed, epoch);
    ExpectBatches(items, [](const PartitionSamples& from) { return from.training(); });
  }
  items.Take(BatchItems::Samples::kValidation);
  ExpectBatches(items, [](const PartitionSamples& from) { return from.validation(); });
  EXPECT_EQ(samples_.TakeCanonical(), absl::OkStatus());
  items.Take(BatchItems::Samples::kTraining);
  ExpectBatches(items, [](const PartitionSamples& from) { return from.training(); });
}

TEST_F(BatchItemsTest, SharesAreOfTrainingSamples) {
  std::vector<double> counts(data_.items(), 0);
  EXPECT_EQ(samples_.TakeCanonical(), absl::OkStatus());
  for (const PartitionSamples& partition : samples_.partitions()) {
    for (const Sample& sample : partition.training()) ++counts[Index(sample.item)];
  }
  const std::vector<float> shares = NegativeLogShares(data_, split_);
  ASSERT_EQ(shares.size(), counts.size());
  for (std::size_t item = 0; item < counts.size(); ++item) {
    const double share = std::max(counts[item], 1.0) / static_cast<double>(split_.training_count());
    EXPECT_NEAR(static_cast<double>(shares[item]), -std::log(share), 1e-6);
  }
}

}  // namespace
}  // namespace cf::batch_items_test
