// Goal: where samples are decides nothing about them. Method: a seat with its samples on disk beside
// one that has them in memory, batch by batch.

#include "worker/disk_samples.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"

namespace cf::disk_samples_test {
namespace {

constexpr std::uint32_t kPartitions = 8;
constexpr SeatRange kRange{2, 7};

class DiskSamplesTest : public ::testing::Test {
 protected:
  DiskSamplesTest() { std::filesystem::create_directories(folder_); }

  static DataSplit MakeSplit(const Dataset& data) {
    Split split;
    split.mutable_random()->set_fraction(0.2);
    return DataSplit::Make(data, split).value();
  }
  SeatSamples Samples(const std::string& scratch = {}) const {
    return SeatSamples(data_, split_, Partitioning(kPartitions), kRange, scratch);
  }
  static std::vector<std::uint64_t> Numbers(std::span<const Sample> samples) {
    std::vector<std::uint64_t> numbers;
    for (const Sample& sample : samples) {
      numbers.insert(numbers.end(), {Index(sample.user), Index(sample.item),
                                     static_cast<std::uint64_t>(sample.rating)});
    }
    return numbers;
  }
  /// Whether both have the same training samples in each of so many batches.
  static void ExpectSameBatches(SeatSamples& found, SeatSamples& expected, std::uint64_t batches,
                                std::uint64_t first = 0) {
    for (std::uint64_t t = first; t < batches; ++t) {
      for (std::uint32_t p = 0; p < kRange.size(); ++p) {
        const SampleRange range = expected.OfBatch(p, t, batches);
        const SampleRange of_found = found.OfBatch(p, t, batches);
        ASSERT_EQ(of_found.first, range.first);
        ASSERT_EQ(of_found.last, range.last);
        const std::vector<std::uint64_t> wanted =
            Numbers(expected.Take(SampleKind::kTraining, p, range));
        ASSERT_EQ(Numbers(found.Take(SampleKind::kTraining, p, range)), wanted) << t << " " << p;
      }
    }
    EXPECT_EQ(found.status(), absl::OkStatus());
  }
  static void ExpectSameValidation(SeatSamples& found, SeatSamples& expected,
                                   std::uint64_t batches) {
    for (std::uint32_t p = 0; p < kRange.size(); ++p) {
      const std::uint64_t count = expected.Count(SampleKind::kValidation, p);
      ASSERT_EQ(found.Count(SampleKind::kValidation, p), count);
      for (std::uint64_t t = 0; t < batches; ++t) {
        const SampleRange range = SamplesOfBatch(count, t, batches);
        const std::vector<std::uint64_t> wanted =
            Numbers(expected.Take(SampleKind::kValidation, p, range));
        ASSERT_EQ(Numbers(found.Take(SampleKind::kValidation, p, range)), wanted);
      }
    }
    EXPECT_EQ(found.status(), absl::OkStatus());
  }

  const TinyData tiny_;
  const Dataset data_ = Dataset::Open(tiny_.path(), Dataset::Pages::kAreGivenBack).value();
  const DataSplit split_ = MakeSplit(data_);
  const std::string folder_ = tiny_.Beside("scratch");
};

TEST_F(DiskSamplesTest, BatchesAreTheSame) {
  SeatSamples in_memory = Samples();
  {
    SeatSamples on_disk = Samples(folder_ + "/0-");
    EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "nothing is written that nobody asks for";
    for (const std::uint32_t user_group : {1U, 3U}) {
      for (const std::uint64_t epoch : {0U, 1U, 0U}) {
        for (const std::uint64_t batches : {1U, 7U, 200U}) {
          ASSERT_EQ(in_memory.TakeEpoch(42, epoch, user_group, batches), absl::OkStatus());
          ASSERT_EQ(on_disk.TakeEpoch(42, epoch, user_group, batches), absl::OkStatus());
          ExpectSameBatches(on_disk, in_memory, batches, batches / 2);
          // In between, which loses what was read ahead.
          ExpectSameValidation(on_disk, in_memory, 3);
          ExpectSameBatches(on_disk, in_memory, batches);
        }
      }
    }
    ASSERT_EQ(in_memory.TakeCanonical(), absl::OkStatus());
    ASSERT_EQ(on_disk.TakeCanonical(), absl::OkStatus());
    ExpectSameBatches(on_disk, in_memory, 5);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

// Goal: of each sample in how many batches its user comes again, whatever is read of it. Method: what
// comes behind it is looked through.
TEST_F(DiskSamplesTest, KnowsWhenUsersComeAgain) {
  SeatSamples samples = Samples(folder_ + "/0-");
  for (const std::uint32_t user_group : {1U, 3U}) {
    for (const std::uint64_t batches : {1U, 7U, 200U}) {
      // Where users come first in the next epoch.
      ASSERT_EQ(samples.TakeEpoch(42, 2, user_group, batches), absl::OkStatus());
      std::map<RowId, std::uint64_t> first_batches;
      for (std::uint32_t p = 0; p < kRange.size(); ++p) {
        for (std::uint64_t t = 0; t < batches; ++t) {
          for (const Sample& sample :
               samples.Take(SampleKind::kTraining, p, samples.OfBatch(p, t, batches))) {
            first_batches.try_emplace(sample.user, t);
          }
        }
      }
      ASSERT_EQ(samples.TakeEpoch(42, 1, user_group, batches), absl::OkStatus());
      for (std::uint32_t p = 0; p < kRange.size(); ++p) {
        struct Use {
          RowId user{};
          std::uint64_t batch = 0;
          std::uint16_t next = 0;
        };
        std::vector<Use> uses;
        for (std::uint64_t t = 0; t < batches; ++t) {
          const SampleRange range = samples.OfBatch(p, t, batches);
          const std::span<const Sample> taken = samples.Take(SampleKind::kTraining, p, range);
          const std::span<const std::uint16_t> next = samples.NextUsesOf(p, range);
          ASSERT_EQ(next.size(), taken.size());
          for (std::size_t k = 0; k < taken.size(); ++k) {
            uses.push_back({taken[k].user, t, next[k]});
          }
        }
        for (auto use = uses.begin(); use != uses.end(); ++use) {
          const auto again = std::find_if(
              use + 1, uses.end(), [&](const Use& other) { return other.user == use->user; });
          if (again != uses.end()) {
            ASSERT_EQ(use->next, again->batch - use->batch);
          } else {
            ASSERT_EQ(use->next, batches - use->batch + first_batches.at(use->user))
                << "in the next epoch";
          }
        }
      }
    }
  }
  EXPECT_EQ(samples.status(), absl::OkStatus());
  ASSERT_EQ(samples.TakeCanonical(), absl::OkStatus());
  EXPECT_TRUE(samples.NextUsesOf(0, {0, 1}).empty()) << "in no order of an epoch";
  SeatSamples in_memory = Samples();
  ASSERT_EQ(in_memory.TakeEpoch(42, 1, 1, 7), absl::OkStatus());
  EXPECT_TRUE(in_memory.NextUsesOf(0, in_memory.OfBatch(0, 0, 7)).empty());
}

TEST(SectionReader, RangesOfSeveralPiecesAreJoined) {
  const std::string path = ::testing::TempDir() + "cf_section_" + std::to_string(::getpid());
  constexpr std::uint64_t kSamples = 5000;
  std::vector<Sample> samples(kSamples);
  for (std::uint32_t k = 0; k < kSamples; ++k) samples[k].user = RowId{k};
  const std::uint64_t sections[] = {0, kSamples * sizeof(Sample)};
  const std::unique_ptr<PieceFile> file =
      PieceFile::Create(path, sections, PieceFile::kPieceUnit).value();
  ASSERT_EQ(file->Write(1, 0, std::as_bytes(std::span(samples))), absl::OkStatus());
  SectionReader<Sample> reader;
  std::vector<Sample> joined;
  for (const std::uint64_t step : {1U, 700U, 1024U, 1025U, 5000U}) {
    for (std::uint64_t first = 0; first < kSamples; first += step) {
      const SampleRange range{first, std::min(first + step, kSamples)};
      const absl::StatusOr<std::span<const Sample>> found = reader.Read(*file, 1, range, joined);
      ASSERT_EQ(found.status(), absl::OkStatus());
      ASSERT_EQ(found->size(), range.last - range.first);
      for (std::uint64_t k = range.first; k < range.last; ++k) {
        ASSERT_EQ((*found)[k - range.first].user, RowId{static_cast<std::uint32_t>(k)});
      }
    }
    reader.Drop();
  }
}

TEST_F(DiskSamplesTest, ADamagedFileIsAnErrorThatNamesIt) {
  SeatSamples samples = Samples(folder_ + "/0-");
  ASSERT_EQ(samples.TakeEpoch(42, 0, 1, 2), absl::OkStatus());
  const std::string path = folder_ + "/0-epoch";
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(9);
    file.put('x');
  }
  EXPECT_TRUE(samples.Take(SampleKind::kTraining, 0, samples.OfBatch(0, 0, 2)).empty());
  EXPECT_EQ(samples.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(samples.status().message()), ::testing::HasSubstr(path));
  EXPECT_TRUE(samples.Take(SampleKind::kTraining, 1, samples.OfBatch(1, 0, 2)).empty())
      << "from now on";
}

TEST_F(DiskSamplesTest, CannotBeWhereThereIsNoFolder) {
  SeatSamples samples = Samples("/dev/null/0-");
  EXPECT_THAT(std::string(samples.TakeEpoch(42, 0, 1).message()),
              ::testing::HasSubstr("/dev/null/0-training"));
  EXPECT_TRUE(samples.Take(SampleKind::kValidation, 0, {0, 1}).empty());
  EXPECT_THAT(std::string(samples.status().message()),
              ::testing::HasSubstr("/dev/null/0-validation"));
}

}  // namespace
}  // namespace cf::disk_samples_test
