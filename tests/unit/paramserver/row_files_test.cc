#include "paramserver/row_files.h"

#include <filesystem>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "common/snapshot/snapshot_store.h"
#include "tests/unit/kernels/slow_kernels.h"
#include "tests/unit/paramserver/two_tables.h"

namespace cf {
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

  void Write(LocalRows& local, FileKind kind, std::uint64_t step) {
    for (std::uint32_t p = 0; p < kPartitions; ++p) {
      const RowFileId file{.time = {1, step}, .partition = PartitionId{p}, .kind = kind};
      PartitionWriter writer = PartitionWriter::Create(store_->folder(), file).value();
      const RowStore::Which which =
          kind == DELTA ? RowStore::Which::kChanged : RowStore::Which::kAll;
      ASSERT_TRUE(WriteRows(MakeTables(), PartitionId{p}, which, local.store(), writer).ok());
      files_[p].push_back(writer.Finish().value());
      local.store().MarkWritten(PartitionId{p});
      local.store().Commit(PartitionId{p});
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
}  // namespace cf
