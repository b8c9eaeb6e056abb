#include "paramserver/row_files.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/snapshot/snapshot_store.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf::row_files_test {
namespace {

using slow::BitsOf;

/// A snapshots folder with the rows of all local, written in two snapshots: a base, and then what
/// has changed since.
class RowFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    run_ = ::testing::TempDir() + "cf_row_files_" + std::to_string(::getpid());
    std::filesystem::remove_all(run_);
    store_.emplace(SnapshotStore::Open(run_ + "/snapshots").value());
  }
  void TearDown() override { std::filesystem::remove_all(run_); }

  /// `told`: whether the store hears that the snapshot is committed.
  void Write(LocalRows& local, FileKind kind, std::uint64_t step, bool told = true) {
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const RowFileId file{.time = {1, step}, .partition = PartitionId{p}, .kind = kind};
      PartitionWriter writer = PartitionWriter::Create(store_->folder(), file).value();
      const RowStore::Which which =
          kind == DELTA ? RowStore::Which::kChanged : RowStore::Which::kAll;
      ASSERT_TRUE(WriteRows(MakeTables(), PartitionId{p}, which, local.store(), writer).ok());
      files_[p].push_back(writer.Finish().value());
      local.store().MarkWritten(PartitionId{p});
      if (told) local.store().Commit(PartitionId{p});
    }
  }

  Snapshot Commit(const std::vector<TableSpec>& tables, std::uint64_t step) {
    Manifest manifest;
    manifest.set_format_version(kManifestFormat);
    manifest.set_arithmetic_version(kArithmeticVersion);
    manifest.set_name(SnapshotName({1, step}));
    manifest.set_generation(1);
    manifest.mutable_position()->set_step(step);
    manifest.set_partitions(kPartitions);
    for (const TableSpec& table : tables) {
      SnapshotTable& entry = *manifest.add_tables();
      entry.set_name(table.shape.name);
      entry.set_rows(table.shape.rows);
      entry.set_dim(table.shape.dim);
      entry.set_bias(table.shape.biases);
      entry.set_slots(table.shape.moments);
    }
    for (const std::vector<FileEntry>& chain : files_) {
      for (const FileEntry& file : chain) *manifest.add_files() = file;
    }
    const absl::Status committed = store_->Commit(manifest);
    EXPECT_TRUE(committed.ok()) << committed;
    return Snapshot::Open(store_->PathOf(manifest.name())).value();
  }

  std::string run_;
  std::optional<SnapshotStore> store_;
  std::vector<std::vector<FileEntry>> files_{kPartitions};
};

TEST_F(RowFilesTest, RowsComeBackFromDiskToAnyNumberOfSeats) {
  LocalRows written(MakeOptions("adam {}", 3));
  written.Initialize();
  const std::vector<float> gradient(kWireFloats, 0.125F);
  written.Apply(kUsers, 0, RowId{3}, gradient);
  Write(written, BASE, 1);
  written.Apply(kUsers, 1, RowId{3}, gradient);
  written.Apply(kItems, 1, RowId{18}, gradient);
  Write(written, DELTA, 2);
  std::uint64_t rows = 0;
  for (const std::vector<FileEntry>& chain : files_) rows += chain[1].rows();
  EXPECT_EQ(rows, 2U) << "a delta holds what has changed";

  const Snapshot snapshot = Commit(MakeTables(), 2);
  for (const std::uint32_t seats : {1U, 2U, 8U}) {
    LocalRows read(MakeOptions("adam {}", seats));
    ASSERT_TRUE(CheckShapes(MakeTables(), snapshot).ok());
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const absl::Status loaded = LoadRows(MakeTables(), snapshot, PartitionId{p}, read.store());
      ASSERT_TRUE(loaded.ok()) << loaded;
      EXPECT_EQ(read.store().ChangedRows(PartitionId{p}), 0U) << "the snapshot has them";
    }
    EXPECT_EQ(BitsOf(AllRecords(read)), BitsOf(AllRecords(written)));
  }
}

/// A store in mid-training, after three snapshots the last of which it does not know to be committed.
class KeptRowsTest : public RowFilesTest {
 protected:
  void SetUp() override {
    RowFilesTest::SetUp();
    LocalRows::Options options = MakeOptions("adam {}", 2);
    options.change_places = false;
    local_ = std::make_unique<LocalRows>(options);
    local_->Initialize();
    ApplyTo({{kUsers, 3}});
    for (const std::uint64_t step : {1, 2, 3}) {
      Write(*local_, step == 1 ? BASE : DELTA, step, /*told=*/step < 3);
      snapshots_.push_back(Commit(MakeTables(), step));
      truths_.push_back(BitsOf(AllRecords(*local_)));
      // Some rows again, and some that no other step touches.
      const auto own = static_cast<std::uint32_t>(step);
      ApplyTo({{kUsers, 3}, {kUsers, 20 + own}, {kItems, own}, {kItems, 10 + own}});
    }
  }

  void ApplyTo(const std::vector<std::pair<TableId, std::uint32_t>>& rows) {
    const std::vector<float> gradient(kWireFloats, 0.125F);
    for (const auto& [table, id] : rows) local_->Apply(table, step_, RowId{id}, gradient);
    ++step_;
  }

  // How many rows of the snapshot of that step were taken; all are its own then.
  std::uint64_t Restore(std::size_t step, Filed state) {
    std::uint64_t taken = 0;
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      taken +=
          RestoreRows(MakeTables(), snapshots_[step - 1], PartitionId{p}, state, store()).value();
      EXPECT_EQ(store().ChangedRows(PartitionId{p}), 0U);
    }
    EXPECT_EQ(BitsOf(AllRecords(*local_)), truths_[step - 1]);
    return taken;
  }

  SlabStore& store() { return *local_->store().AsSlabs(); }

  std::unique_ptr<LocalRows> local_;
  std::vector<Snapshot> snapshots_;                 // Of steps 1, 2 and 3,
  std::vector<std::vector<std::uint32_t>> truths_;  // and the bits of all rows there.
  std::uint64_t step_ = 0;
};

// A leader that dies behind the rename has told nobody of the commit.
TEST_F(KeptRowsTest, TakeWhatChangedSinceTheSnapshotNobodyTold) {
  EXPECT_EQ(Restore(3, Filed::kWritten), 4U);
  ApplyTo({{kUsers, 7}});
  // And if that one is damaged, after all.
  EXPECT_EQ(Restore(2, Filed::kCommittedBefore), 5U);
}

TEST_F(KeptRowsTest, TakeWhatChangedSinceTheLastCommitOrTheOneBefore) {
  EXPECT_EQ(Restore(2, Filed::kCommitted), 7U);
  EXPECT_EQ(Restore(1, Filed::kCommittedBefore), 4U);
  ApplyTo({{kItems, 0}});
  EXPECT_EQ(Restore(1, Filed::kCommitted), 1U);
}

TEST_F(KeptRowsTest, KnowWhatToTakeAfterAFileThatCannotBeRead) {
  for (const std::vector<FileEntry>& chain : files_) {
    if (chain.back().rows() == 0) continue;
    std::filesystem::resize_file(RowFilePath(store_->folder(), chain.back().file()), 10);
  }
  int failed = 0;
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    if (!RestoreRows(MakeTables(), snapshots_[2], PartitionId{p}, Filed::kWritten, store()).ok()) {
      ++failed;
    }
  }
  EXPECT_GT(failed, 0);
  // What was taken of the damaged one is not trusted.
  for (std::uint32_t p = 0; p < kPartitions; ++p) {
    const PartitionId partition{p};
    const bool taken = store().ChangedRows(partition) == 0;
    const Filed state = taken ? Filed::kCommittedBefore : Filed::kCommitted;
    ASSERT_TRUE(RestoreRows(MakeTables(), snapshots_[1], partition, state, store()).ok());
  }
  EXPECT_EQ(BitsOf(AllRecords(*local_)), truths_[1]);
}

TEST_F(RowFilesTest, AnotherShapeIsRefused) {
  LocalRows written(MakeOptions("adam {}", 1));
  written.Initialize();
  Write(written, BASE, 1);
  const Snapshot snapshot = Commit(MakeTables(), 1);
  std::vector<TableSpec> tables = MakeTables();
  tables[1].shape.dim = kDim + 1;
  EXPECT_EQ(CheckShapes(tables, snapshot).code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cf::row_files_test
