#include "worker/moving_samples.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/grid_data.h"

namespace cf::moving_samples_test {
namespace {

constexpr std::uint64_t kSeed = 42;
constexpr std::uint64_t kEpoch = 3;
constexpr std::uint32_t kRounds = 3;

struct Size {
  GridData::Size grid;
  std::uint32_t partitions = 1;
};

class MovingSamplesTest : public ::testing::TestWithParam<Size> {
 protected:
  MovingSamplesTest() {
    std::filesystem::create_directories(scratch_);
    for (std::uint32_t p = 0; p < range_.size(); ++p) moves_.push_back(p % 3 != 1);
  }

  absl::StatusOr<std::unique_ptr<MovingSamples>> Open(std::uint32_t threads) const {
    std::vector<bool> stays = moves_;
    stays.flip();
    return MovingSamples::Open({.data = &data_,
                                .split = &split_,
                                .partitioning = partitioning_,
                                .range = range_,
                                .stays = stays,
                                .threads = threads,
                                .folder = scratch_});
  }

  /// All that the rounds of an epoch visit of a partition.
  std::vector<std::uint64_t> Visited(BlockRounds& samples) const {
    std::vector<std::uint64_t> visited;
    std::vector<BlockSample> taken;
    for (std::uint32_t round = 0; round < kRounds; ++round) {
      for (std::uint32_t q = 0; q < partitioning_.count(); ++q) {
        const BlockRound found = samples.Round(PartitionId{q}, kSeed, kEpoch, round, kRounds);
        found.Take({0, found.size()}, taken);
        for (const BlockSample& sample : taken) {
          visited.insert(visited.end(),
                         {sample.user, sample.item, static_cast<std::uint64_t>(sample.rating)});
        }
      }
    }
    return visited;
  }

  const GridData grid_{GetParam().grid};
  const Dataset& data_ = grid_.data();
  const DataSplit& split_ = grid_.split();
  const std::string scratch_ = grid_.folder() + "/scratch";
  const Partitioning partitioning_{GetParam().partitions};
  const SeatRange range_{partitioning_.count() / 4, partitioning_.count()};
  std::vector<bool> moves_;  // By partition of the range.
};

// Small slots and places, large slots, and a block whose places need four bytes.
INSTANTIATE_TEST_SUITE_P(
    Sizes, MovingSamplesTest,
    ::testing::Values(Size{.grid = {.users = 100, .items = 60}, .partitions = 8},
                      Size{.grid = {.users = 140'000, .items = 30, .item_step = 10},
                           .partitions = 2},
                      Size{.grid = {.users = 300, .items = 240}, .partitions = 1}),
    [](const ::testing::TestParamInfo<Size>& size) {
      return "Users" + std::to_string(size.param.grid.users);
    });

// Goal: samples that move are those that would have stayed, in the same order. Method: threads that
// go through the partitions, announced and not, again and again.
TEST_P(MovingSamplesTest, AreThoseThatWouldHaveStayed) {
  std::vector<std::vector<std::uint64_t>> expected;
  for (BlockSamples& samples : BlockSamples::Make(data_, split_, partitioning_, range_)) {
    expected.push_back(Visited(samples));
  }
  for (const std::uint32_t threads : {1U, 2U}) {
    RankSamples samples(range_, BlockSamples::Make(data_, split_, partitioning_, range_, moves_),
                        Open(threads).value(), moves_);
    std::vector<std::jthread> running;
    for (std::uint32_t t = 0; t < threads; ++t) {
      running.emplace_back([&, t] {
        for (std::uint32_t pass = 0; pass < 3; ++pass) {
          for (std::uint32_t k = range_.size(); k-- > 0;) {
            if (k % threads != t) continue;
            const auto partition = [this](std::uint32_t of) {
              return PartitionId{range_.first + of};
            };
            const absl::StatusOr<BlockRounds*> rounds = samples.Pin(partition(k));
            ASSERT_EQ(rounds.status(), absl::OkStatus());
            for (std::uint32_t ahead = 1; pass != 1 && ahead <= std::min(k, 2U); ++ahead) {
              samples.Announce(partition(k - ahead));
            }
            EXPECT_EQ(Visited(**rounds), expected[k]) << k;
            samples.Release(partition(k));
          }
        }
      });
    }
  }
  EXPECT_TRUE(std::filesystem::is_empty(scratch_));
}

TEST_P(MovingSamplesTest, TheLargestPartitionIsKnown) {
  std::uint64_t most = 0;
  const std::vector<std::uint64_t> counts =
      CountSamples(data_, split_, partitioning_, range_, SampleKind::kTraining);
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    if (moves_[p]) most = std::max(most, counts[p]);
  }
  EXPECT_EQ(Open(1).value()->largest(), most);
  const RankSamples samples(range_,
                            BlockSamples::Make(data_, split_, partitioning_, range_, moves_),
                            Open(1).value(), moves_);
  EXPECT_EQ(samples.largest(), *std::ranges::max_element(counts));
}

TEST_P(MovingSamplesTest, ADamagedFileIsAnErrorThatNamesIt) {
  const std::unique_ptr<MovingSamples> samples = Open(1).value();
  const std::string path = scratch_ + "/samples";
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
  }
  const absl::Status damaged = samples->Pin(PartitionId{range_.first}).status();
  EXPECT_EQ(damaged.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(damaged.message()), ::testing::HasSubstr(path));
  EXPECT_EQ(samples->Pin(PartitionId{range_.first}).status(), damaged) << "from now on";
}

TEST_P(MovingSamplesTest, CannotBeWhereThereIsNoFolder) {
  std::filesystem::remove_all(scratch_);
  EXPECT_THAT(std::string(Open(1).status().message()), ::testing::HasSubstr(scratch_));
}

}  // namespace
}  // namespace cf::moving_samples_test
