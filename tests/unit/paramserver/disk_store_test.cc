#include "paramserver/disk_store.h"

#include <filesystem>
#include <memory>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::disk_store_test {
namespace {

constexpr std::uint32_t kPartitions = 16;
constexpr std::uint32_t kUserRows = 100;  // Six or seven in each partition.
constexpr std::size_t kStride = 16;
constexpr std::uint32_t kItemRows = 30;

/// A store of two tables, users and items.
class DiskStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = ::testing::TempDir() + "cf_disk_store_" + std::to_string(::getpid());
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Open(std::uint32_t frames, std::uint32_t threads = 1) {
    store_ = DiskStore::Open({.tables = {{.rows = kUserRows, .stride = kStride},
                                         {.rows = kItemRows, .stride = kStride}},
                              .partitioning = partitioning_,
                              .range = {0, kPartitions},
                              .threads = threads,
                              .frames = frames,
                              .directory = directory_})
                 .value();
  }

  std::uint32_t RowsIn(std::uint32_t p) const {
    return partitioning_.RowsIn(PartitionId{p}, kUserRows);
  }

  /// Adds `value` to each number of a partition of users.
  void Add(std::uint32_t p, float value) {
    const absl::StatusOr<float*> rows = store_->PinPartition(kUsers, PartitionId{p});
    ASSERT_EQ(rows.status(), absl::OkStatus());
    std::vector<std::uint32_t> slots;
    for (std::uint32_t slot = 0; slot < RowsIn(p); ++slot) {
      slots.push_back(slot);
      for (std::size_t k = 0; k < kStride; ++k) (*rows)[slot * kStride + k] += value;
    }
    store_->MarkChanged(kUsers, PartitionId{p}, slots);
    store_->ReleasePartition(kUsers, PartitionId{p});
  }

  void ExpectAll(std::uint32_t p, float value) {
    std::uint32_t rows = 0;
    const auto visit = [&](RowId id, std::span<const float> row) {
      EXPECT_EQ(partitioning_.Of(id), PartitionId{p});
      EXPECT_EQ(partitioning_.SlotOf(id), rows++);
      EXPECT_EQ(row.size(), kStride);
      EXPECT_TRUE(std::ranges::all_of(row, [&](float number) { return number == value; }))
          << "partition " << p;
      return absl::OkStatus();
    };
    EXPECT_EQ(store_->Visit(kUsers, PartitionId{p}, RowStore::Which::kAll, visit),
              absl::OkStatus());
    EXPECT_EQ(rows, RowsIn(p));
  }

  // The file of the partitions that move; empty where there is none.
  std::filesystem::path FileOnDisk() const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory_)) {
      if (entry.path().filename() == "users") return entry.path();
    }
    return "";
  }

  const Partitioning partitioning_{kPartitions};
  std::string directory_;
  std::unique_ptr<DiskStore> store_;
};

TEST_F(DiskStoreTest, RowsAreWhatTheyWereMadeWhateverTheBudget) {
  for (const std::uint32_t frames : {2U, 3U, 7U, 15U}) {
    Open(frames);
    EXPECT_FALSE(store_->keeps_all());
    float expected = 0;
    for (int pass = 1; pass <= 3; ++pass) {
      for (std::uint32_t p = kPartitions; p-- > 0;) {
        store_->AnnouncePartition(kUsers, PartitionId{(p + kPartitions - 1) % kPartitions});
        Add(p, static_cast<float>(pass) + static_cast<float>(p) / 16);
      }
      expected += static_cast<float>(pass);
      for (std::uint32_t p = 0; p < kPartitions; ++p) {
        ExpectAll(p, expected + static_cast<float>(pass) * static_cast<float>(p) / 16);
      }
    }
    store_.reset();
    EXPECT_TRUE(std::filesystem::is_empty(directory_)) << frames;
  }
}

TEST_F(DiskStoreTest, NothingTouchesTheDiskWhileEverythingFits) {
  Open(kPartitions);
  EXPECT_TRUE(store_->keeps_all());
  for (std::uint32_t p = 0; p < kPartitions; ++p) Add(p, 1);
  for (std::uint32_t p = 0; p < kPartitions; ++p) ExpectAll(p, 1);
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

// Partitions that stay are never read, and those that only were looked at are not written.
TEST_F(DiskStoreTest, MovesNoMoreThanItMust) {
  constexpr std::uint32_t kFrames = 8;  // Four of which take turns.
  Open(kFrames);
  for (std::uint32_t p = kPartitions; p-- > 0;) Add(p, 1);
  const DiskStore::Traffic first = store_->traffic();
  EXPECT_EQ(first.slabs_read, 0U) << "zeros need no storage";
  EXPECT_GE(first.slabs_written, kPartitions - kFrames);
  for (std::uint32_t p = kPartitions; p-- > 0;) ExpectAll(p, 1);
  for (std::uint32_t p = kPartitions; p-- > 0;) ExpectAll(p, 1);
  const DiskStore::Traffic second = store_->traffic();
  EXPECT_LE(second.slabs_read, 2 * (kPartitions - 4U));
  EXPECT_GE(second.slabs_read, 2 * (kPartitions - kFrames));
  EXPECT_LE(second.slabs_written, kPartitions - 4U) << "once each";
  struct stat info = {};
  ASSERT_EQ(::stat(FileOnDisk().c_str(), &info), 0);
  const std::size_t frame =
      DiskStore::FrameBytes({.rows = kUserRows, .stride = kStride}, partitioning_);
  // And a page or so of the file system's own.
  EXPECT_LT(static_cast<std::size_t>(info.st_blocks) * 512, (second.slabs_written + 2) * frame)
      << "partitions that stay take no room there";
}

TEST_F(DiskStoreTest, RowsArePinnedOneByOneToo) {
  Open(2);
  for (std::uint32_t p = 0; p < kPartitions; ++p) Add(p, static_cast<float>(p));
  // Of two partitions at once, which is all that there is room for.
  const RowId ids[] = {partitioning_.IdAt(PartitionId{3}, 0), partitioning_.IdAt(PartitionId{9}, 1),
                       partitioning_.IdAt(PartitionId{3}, 2)};
  float* rows[3] = {};
  ASSERT_EQ(store_->Pin(kUsers, ids, RowStore::Access::kUpdate, rows), absl::OkStatus());
  EXPECT_EQ(rows[0][0], 3.0F);
  EXPECT_EQ(rows[1][0], 9.0F);
  EXPECT_EQ(rows[2], rows[0] + 2 * kStride);
  rows[1][5] = 99;

  // A third is refused, and pins nothing.
  const RowId more[] = {ids[0], partitioning_.IdAt(PartitionId{4}, 0)};
  float* none[2] = {};
  EXPECT_EQ(store_->Pin(kUsers, more, RowStore::Access::kRead, none).code(),
            absl::StatusCode::kResourceExhausted);
  store_->Release(kUsers, ids);
  ASSERT_EQ(store_->Pin(kUsers, more, RowStore::Access::kRead, none), absl::OkStatus());
  EXPECT_EQ(none[1][0], 4.0F);
  store_->Release(kUsers, more);
  float* row = nullptr;
  ASSERT_EQ(store_->Pin(kUsers, {&ids[1], 1}, RowStore::Access::kRead, {&row, 1}),
            absl::OkStatus());
  EXPECT_EQ(row[5], 99.0F) << "what was changed is written";
  store_->Release(kUsers, {&ids[1], 1});
}

TEST_F(DiskStoreTest, KnowsWhatHasChangedWhileItIsAway) {
  Open(2);
  for (std::uint32_t p = 0; p < kPartitions; ++p) Add(p, 1);
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(store_->ChangedRows(PartitionId{p}), RowsIn(p));
    store_->MarkWritten(PartitionId{p});
    store_->Commit(PartitionId{p});
  }
  const RowId id = partitioning_.IdAt(PartitionId{5}, 3);
  float* row = nullptr;
  ASSERT_EQ(store_->Pin(kUsers, {&id, 1}, RowStore::Access::kUpdate, {&row, 1}), absl::OkStatus());
  row[0] = 2;
  store_->Release(kUsers, {&id, 1});
  const DiskStore::Traffic before = store_->traffic();
  std::vector<RowId> visited;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    EXPECT_EQ(store_->Visit(kUsers, PartitionId{p}, RowStore::Which::kChanged,
                            [&](RowId found, std::span<const float> floats) {
                              visited.push_back(found);
                              EXPECT_EQ(floats[0], 2.0F);
                              return absl::OkStatus();
                            }),
              absl::OkStatus());
  }
  EXPECT_THAT(visited, ::testing::ElementsAre(id));
  EXPECT_LE(store_->traffic().slabs_read, before.slabs_read + 1) << "others need not be looked at";
}

// Goal: threads share the frames, and nothing is lost between them. Method: each adds to its own
// partitions, ahead and behind, with two frames for each.
TEST_F(DiskStoreTest, ThreadsShareTheFrames) {
  constexpr std::uint32_t kThreads = 4;
  constexpr int kPasses = 30;
  Open(DiskStore::FramesMin(kThreads), kThreads);
  {
    std::vector<std::jthread> threads;
    for (std::uint32_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        constexpr std::uint32_t kOwn = kPartitions / kThreads;
        for (int pass = 0; pass < kPasses; ++pass) {
          for (std::uint32_t k = kOwn; k-- > 0;) {
            store_->AnnouncePartition(kUsers, PartitionId{t * kOwn + (k + kOwn - 1) % kOwn});
            Add(t * kOwn + k, 1);
          }
        }
      });
    }
  }
  for (std::uint32_t p = 0; p < kPartitions; ++p) ExpectAll(p, kPasses);
}

TEST_F(DiskStoreTest, AnErrorOfTheDiskIsTold) {
  Open(2);
  for (std::uint32_t p = 0; p < kPartitions; ++p) Add(p, 1);
  std::filesystem::resize_file(FileOnDisk(), 0);
  absl::Status failed;
  for (std::uint32_t p = 0; p < kPartitions && failed.ok(); ++p) {
    failed = store_->PinPartition(kUsers, PartitionId{p}).status();
    if (failed.ok()) store_->ReleasePartition(kUsers, PartitionId{p});
  }
  EXPECT_FALSE(failed.ok());
  EXPECT_THAT(std::string(failed.message()), ::testing::HasSubstr(directory_));
  EXPECT_EQ(store_->PinPartition(kUsers, PartitionId{0}).status(), failed) << "from now on";
}

TEST_F(DiskStoreTest, CannotBeWhereThereIsNoFolder) {
  const absl::Status refused = DiskStore::Open({.tables = {{.rows = kUserRows, .stride = kStride}},
                                                .partitioning = partitioning_,
                                                .range = {0, kPartitions},
                                                .frames = 2,
                                                .directory = "/dev/null/rows"})
                                   .status();
  EXPECT_THAT(std::string(refused.message()), ::testing::HasSubstr("/dev/null/rows"));
}

TEST(DiskStore, AFrameHoldsTheLargestPartition) {
  for (std::uint32_t rows = 1; rows < 100; ++rows) {
    for (const std::uint32_t partitions : {1U, 4U, 16U}) {
      const Partitioning partitioning(partitions);
      std::uint32_t most = 0;
      for (std::uint32_t p = 0; p < partitions; ++p) {
        most = std::max(most, partitioning.RowsIn(PartitionId{p}, rows));
      }
      EXPECT_EQ(DiskStore::FrameBytes({.rows = rows, .stride = 16}, partitioning),
                (most * 16 * sizeof(float) + 4095) / 4096 * 4096)
          << "in whole pages";
    }
  }
}

}  // namespace
}  // namespace cf::disk_store_test
