// Goal: files are written from copies, told once, when all of them are there, and an error names the
// partition and the file. Method: copies of a few rows; a file that is there already.

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

namespace cf {
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
  EXPECT_EQ(writer_.Await().value(), std::nullopt) << "none was begun";
  FileEntry before;
  before.set_partition(7);
  writer_.Begin({before}, CopiesOf({2, 3}));
  const std::optional<std::vector<FileEntry>> files = writer_.Await().value();
  ASSERT_TRUE(files.has_value());
  ASSERT_EQ(files->size(), 3U);
  EXPECT_EQ((*files)[0].partition(), 7U);
  for (const std::size_t k : {1U, 2U}) {
    const FileEntry& file = (*files)[k];
    EXPECT_EQ(file.partition(), k + 1);
    EXPECT_EQ(file.rows(), local_.store().Rows(PartitionId{file.partition()}));
    EXPECT_EQ(std::filesystem::file_size(RowFilePath(store_.folder(), file.file())), file.bytes());
  }
  EXPECT_EQ(writer_.Await().value(), std::nullopt) << "they were told";
  EXPECT_EQ(writer_.Poll().value(), std::nullopt);
  // The memory of the copies is free again.
  EXPECT_EQ(CopiesOf({0, 1, 2, 3}).size(), 4U);
}

TEST_F(SnapshotWriterTest, WithoutCopiesItIsDoneAtOnce) {
  writer_.Begin({FileEntry()}, {});
  const std::optional<std::vector<FileEntry>> files = writer_.Poll().value();
  ASSERT_TRUE(files.has_value());
  EXPECT_EQ(files->size(), 1U);
}

TEST_F(SnapshotWriterTest, AnErrorNamesThePartitionAndTheFile) {
  const PartitionWriter taken = PartitionWriter::Create(store_.folder(), FileOf(3)).value();
  writer_.Begin({}, CopiesOf({2, 3, 4}));
  const absl::Status failed = writer_.Await().status();
  EXPECT_EQ(failed.code(), absl::StatusCode::kAlreadyExists) << failed;
  EXPECT_THAT(std::string(failed.message()), HasSubstr("writing partition 3: "));
  EXPECT_THAT(std::string(failed.message()), HasSubstr(RowFileName(FileOf(3))));
  EXPECT_FALSE(std::filesystem::exists(RowFilePath(store_.folder(), RowFileName(FileOf(4)))));
  // Another attempt has another name.
  std::vector<SnapshotWriter::Copy> again = CopiesOf({3});
  again[0].file.attempt = 1;
  writer_.Begin({}, std::move(again));
  EXPECT_TRUE(writer_.Await().ok());
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
}  // namespace cf
