#include "worker/block_samples.h"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "tests/unit/worker/grid_data.h"

namespace cf::block_samples_test {
namespace {

constexpr std::uint32_t kUserCount = 300;
constexpr std::uint32_t kItemCount = 240;
constexpr std::uint64_t kSeed = 42;

/// Every user has every item, so that one block can be larger than places of two bytes reach.
class BlockSamplesTest : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  /// By their ratings, which are all different.
  static std::vector<float> Ratings(const std::vector<BlockSample>& samples) {
    std::vector<float> ratings;
    for (const BlockSample& sample : samples) ratings.push_back(sample.rating);
    return ratings;
  }

  /// The samples of a block in canonical order, straight from the data set.
  std::vector<BlockSample> Canonical(PartitionId p, PartitionId q) const {
    std::vector<BlockSample> samples;
    for (std::uint32_t user = 0; user < kUserCount; ++user) {
      if (partitioning_.Of(RowId{user}) != p) continue;
      for (std::uint64_t s = data_.user_offsets()[user]; s < data_.user_offsets()[user + 1]; ++s) {
        const RowId item = data_.item_column()[s];
        if (split_.is_validation(s) || partitioning_.Of(item) != q) continue;
        samples.push_back(
            {partitioning_.SlotOf(RowId{user}), partitioning_.SlotOf(item), data_.ratings()[s]});
      }
    }
    return samples;
  }

  /// All that the rounds of an epoch visit, taken in ranges of up to `most` samples.
  static std::vector<BlockSample> Visited(BlockSamples& samples, PartitionId q, std::uint64_t epoch,
                                          std::uint32_t rounds, std::size_t most) {
    std::vector<BlockSample> visited;
    std::vector<BlockSample> taken;
    for (std::uint32_t round = 0; round < rounds; ++round) {
      const BlockRound found = samples.Round(q, kSeed, epoch, round, rounds);
      const std::uint64_t count = (found.size() + most - 1) / most;
      for (std::uint64_t k = 0; k < count; ++k) {
        found.Take(SamplesOfBatch(found.size(), k, count), taken);
        EXPECT_LE(taken.size(), most);
        visited.insert(visited.end(), taken.begin(), taken.end());
      }
    }
    return visited;
  }

  const GridData grid_{{.users = kUserCount, .items = kItemCount}};
  const Dataset& data_ = grid_.data();
  const DataSplit& split_ = grid_.split();
  Partitioning partitioning_{GetParam()};
};

// One block whose places need four bytes, and blocks whose places fit two.
INSTANTIATE_TEST_SUITE_P(Partitions, BlockSamplesTest, ::testing::Values(1U, 2U, 8U));

// Goal: whatever has been visited before, an epoch visits each block in the order that
// docs/arithmetic.md names. Method: canonical order shuffled, sample by sample.
TEST_P(BlockSamplesTest, AnEpochVisitsTheShuffleOfCanonicalOrder) {
  const std::uint32_t partitions = GetParam();
  const SeatRange range{partitions / 2, partitions};
  std::vector<BlockSamples> made = BlockSamples::Make(data_, split_, partitioning_, range);
  ASSERT_EQ(made.size(), range.size());
  std::size_t size = 0;
  for (const std::uint64_t epoch : {0U, 3U, 1U}) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      for (std::uint32_t q = 0; q < partitions; ++q) {
        std::vector<BlockSample> expected = Canonical(PartitionId{p}, PartitionId{q});
        if (epoch == 0) size += expected.size();
        EXPECT_EQ(expected.size() > BlockSamples::kSmallMax, partitions == 1);
        Shuffle<std::uint32_t>(std::span(expected),
                               CounterRandom(kSeed, Purpose::kBlockShuffle,
                                             CounterRandom::Stream(epoch, p * partitions + q)));
        const std::vector<BlockSample> visited =
            Visited(made[p - range.first], PartitionId{q}, epoch, 3, 100);
        ASSERT_EQ(Ratings(visited), Ratings(expected)) << epoch << " " << p << " " << q;
        for (std::size_t k = 0; k < visited.size(); ++k) {
          ASSERT_EQ(visited[k].user, expected[k].user);
          ASSERT_EQ(visited[k].item, expected[k].item);
        }
      }
    }
  }
  std::size_t held = 0;
  for (const BlockSamples& of_partition : made) held += of_partition.size();
  EXPECT_EQ(held, size);
}

}  // namespace
}  // namespace cf::block_samples_test
