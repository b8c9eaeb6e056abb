// Goal: files are written from copies, told once, when all of them are there; what keeps one from being
// written names the partition and the file, and is tried again. Method: copies of a few rows; a file
// that is there already, and a folder that is not.

#include "coordinator/snapshot_writer.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot_store.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::snapshot_writer_test {
namespace {

using ::testing::HasSubstr;

class SnapshotWriterTest : public ::testing::Test {
 protected:
  SnapshotWriterTest() { local_.Initialize(); }
  ~SnapshotWriterTest() override { std::filesystem::remove_all(run_); }

  RowFileId FileOf(std::uint32_t partition) const {
    return {.time = {1, 10}, .partition = PartitionId{partition}, .kind = BASE};
  }

  /// All rows of a partition.
  SnapshotWriter::Copy CopyOf(std::uint32_t partition) {
    SnapshotWriter::Copy copy{.file = FileOf(partition),
                              .rows = FrozenRows(memory_.get(), &options_.tables)};
    NotFiniteRows found(2);
    EXPECT_TRUE(FreezeRows(local_.Scanned(options_.tables), PartitionId{partition},
                           RowStore::Which::kAll, copy.rows, found)
                    .value());
    return copy;
  }

  std::vector<SnapshotWriter::Copy> CopiesOf(const std::vector<std::uint32_t>& partitions) {
    std::vector<SnapshotWriter::Copy> copies;
    for (const std::uint32_t partition : partitions) copies.push_back(CopyOf(partition));
    return copies;
  }

  const LocalRows::Options options_ = MakeOptions("adam {}", 1);
  LocalRows local_{options_};
  std::unique_ptr<FrozenMemory> memory_ = FrozenMemory::Open(4 * FrozenMemory::kChunkBytes).value();
  std::string run_ = ::testing::TempDir() + "cf_snapshot_writer_" +
                     ::testing::UnitTest::GetInstance()->current_test_info()->name();
  SnapshotStore store_ = SnapshotStore::Open(run_ + "/snapshots").value();
  SnapshotWriter writer_{{.folder = store_.folder()}};
};

TEST_F(SnapshotWriterTest, TellsItsFilesOnce) {
  EXPECT_EQ(writer_.Await().files, std::nullopt) << "none was begun";
  FileEntry before;
  before.set_partition(7);
  writer_.Begin({before}, CopiesOf({2, 3}));
  const std::optional<std::vector<FileEntry>> files = writer_.Await().files;
  ASSERT_TRUE(files.has_value());
  ASSERT_EQ(files->size(), 3U);
  EXPECT_EQ((*files)[0].partition(), 7U);
  for (const std::size_t k : {1U, 2U}) {
    const FileEntry& file = (*files)[k];
    EXPECT_EQ(file.partition(), k + 1);
    EXPECT_EQ(file.rows(), local_.store().Rows(PartitionId{file.partition()}));
    EXPECT_EQ(std::filesystem::file_size(RowFilePath(store_.folder(), file.file())), file.bytes());
  }
  EXPECT_EQ(writer_.Await().files, std::nullopt) << "they were told";
  EXPECT_EQ(writer_.Poll().files, std::nullopt);
  // The memory of the copies is free again.
  EXPECT_EQ(CopiesOf({0, 1, 2, 3}).size(), 4U);
}

TEST_F(SnapshotWriterTest, WithoutCopiesItIsDoneAtOnce) {
  writer_.Begin({FileEntry()}, {});
  const std::optional<std::vector<FileEntry>> files = writer_.Poll().files;
  ASSERT_TRUE(files.has_value());
  EXPECT_EQ(files->size(), 1U);
}

// Goal: what the disk does not take now it may take later, and the files are of the same rows. Method: a
// folder that is gone for a while.
TEST_F(SnapshotWriterTest, TriesAgainUntilTheDiskTakesIt) {
  const std::string rows = RowsFolder(store_.folder());
  std::filesystem::rename(rows, rows + "-gone");
  writer_.Begin({}, CopiesOf({2, 3}));
  const SnapshotWriter::Progress progress = writer_.Await();
  EXPECT_EQ(progress.files, std::nullopt) << "nobody waits for a disk that takes nothing";
  EXPECT_THAT(progress.trouble.ToString(), HasSubstr("writing partition 2: " + rows));
  std::filesystem::rename(rows + "-gone", rows);
  std::optional<std::vector<FileEntry>> files;
  while (!files.has_value()) files = writer_.Poll().files;
  ASSERT_EQ(files->size(), 2U);
  EXPECT_TRUE(std::filesystem::exists(RowFilePath(store_.folder(), files->back().file())));
}

TEST_F(SnapshotWriterTest, AFileThatIsThereIsLetAlone) {
  const PartitionWriter taken = PartitionWriter::Create(store_.folder(), FileOf(3)).value();
  writer_.Begin({}, CopiesOf({3}));
  const std::optional<std::vector<FileEntry>> files = writer_.Await().files;
  ASSERT_TRUE(files.has_value());
  RowFileId other = FileOf(3);
  other.attempt = 1;
  EXPECT_EQ(files->front().file(), RowFileName(other));
}

TEST_F(SnapshotWriterTest, WhatIsDroppedLeavesNoFile) {
  writer_.Begin({}, CopiesOf({0, 1}));
  ASSERT_TRUE(writer_.Await().files.has_value());
  writer_.Drop();
  EXPECT_TRUE(std::filesystem::is_empty(RowsFolder(store_.folder())));
  writer_.Begin({}, CopiesOf({0, 1}));
  ASSERT_TRUE(writer_.Await().files.has_value());
  writer_.Committed();
  writer_.Drop();
  EXPECT_FALSE(std::filesystem::is_empty(RowsFolder(store_.folder()))) << "a manifest names them";
  // In the middle of its tries.
  std::filesystem::remove_all(RowsFolder(store_.folder()));
  writer_.Begin({}, CopiesOf({0, 1}));
  EXPECT_EQ(writer_.Await().files, std::nullopt);
  writer_.Drop();
  EXPECT_EQ(CopiesOf({0, 1, 2, 3}).size(), 4U) << "nothing of the copies is left";
}

TEST_F(SnapshotWriterTest, AJobThatEndsLeavesNoHalfFile) {
  {
    SnapshotWriter ended({.folder = store_.folder()});
    ended.Begin({}, CopiesOf({0, 1, 2, 3}));
  }
  for (const auto& entry : std::filesystem::directory_iterator(RowsFolder(store_.folder()))) {
    EXPECT_GT(entry.file_size(), 0U) << entry.path();
  }
  EXPECT_EQ(CopiesOf({0, 1, 2, 3}).size(), 4U) << "nothing of the copies is left";
}

}  // namespace
}  // namespace cf::snapshot_writer_test
