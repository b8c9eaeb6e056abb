#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot_store.h"

namespace cf {

/// A snapshots folder of the running test's own, empty at first and gone at the end.
class TestFolder {
 public:
  TestFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    run_ = testing::TempDir() + "cf_" + test->test_suite_name() + "_" + test->name();
    std::filesystem::remove_all(run_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(run_); }

  const std::string& run() const { return run_; }
  std::string path() const { return run_ + "/snapshots"; }

 private:
  std::string run_;
};

/// A small model with users (biases and two moments) and items (no bias, one moment), whose rows
/// are functions of (table, id, version); versions start at 0 and grow by Touch.
class TestModel {
 public:
  explicit TestModel(std::uint32_t partitions, std::uint32_t users = 37, std::uint32_t items = 21)
      : partitioning_(partitions) {
    tables_.resize(2);
    tables_[0].set_name("users");
    tables_[0].set_rows(users);
    tables_[0].set_dim(5);
    tables_[0].set_bias(true);
    tables_[0].set_slots(2);
    tables_[1].set_name("items");
    tables_[1].set_rows(items);
    tables_[1].set_dim(4);
    tables_[1].set_slots(1);
  }

  const Partitioning& partitioning() const { return partitioning_; }
  const std::vector<SnapshotTable>& tables() const { return tables_; }

  void Touch(TableId table, RowId id) { ++versions_[{table, id}]; }

  std::vector<float> Record(TableId table, RowId id) const {
    const auto version = versions_.find({table, id});
    const std::uint32_t seed = static_cast<std::uint32_t>(table) * 7919U +
                               static_cast<std::uint32_t>(id) * 104729U +
                               (version == versions_.end() ? 0U : version->second) * 31U;
    std::vector<float> record(RecordFloats(tables_[Index(table)]));
    for (std::size_t k = 0; k < record.size(); ++k) {
      record[k] = static_cast<float>((seed + k * 2654435761U) % 65521U) / 1024.0F - 31.5F;
    }
    return record;
  }

  /// Calls `visit` for each row of the partition, ascending.
  void ForRows(PartitionId p, const std::function<void(TableId, RowId)>& visit) const {
    for (std::uint32_t t = 0; t < tables_.size(); ++t) {
      for (std::uint32_t s = 0; s < partitioning_.RowsIn(p, tables_[t].rows()); ++s) {
        visit(TableId{t}, partitioning_.IdAt(p, s));
      }
    }
  }

  using Filter = std::function<bool(TableId, RowId)>;

  /// Writes the rows that pass `filter`, of all partitions, as files of `kind`.
  std::vector<FileEntry> Write(const std::string& folder, SnapshotTime time, FileKind kind,
                               const Filter& filter) const {
    std::vector<FileEntry> entries;
    for (std::uint32_t p = 0; p < partitioning_.count(); ++p) {
      absl::StatusOr<PartitionWriter> writer = PartitionWriter::Create(
          folder, {.time = time, .partition = PartitionId{p}, .kind = kind});
      Check(writer.ok(), "the test can create a row file");
      ForRows(PartitionId{p}, [&](TableId table, RowId id) {
        if (!filter(table, id)) return;
        Check(writer->Add(table, id, Record(table, id)).ok(), "the test can write a row");
      });
      absl::StatusOr<FileEntry> entry = writer->Finish();
      Check(entry.ok(), "the test can finish a row file");
      entries.push_back(*std::move(entry));
    }
    return entries;
  }

  std::vector<FileEntry> WriteBase(const std::string& folder, SnapshotTime time) const {
    return Write(folder, time, BASE, [](TableId, RowId) { return true; });
  }

  /// A manifest of this model's files: the chains are those of `layers`, the oldest first.
  Manifest MakeManifest(SnapshotTime time,
                        const std::vector<std::vector<FileEntry>>& layers) const {
    Manifest manifest;
    manifest.set_format_version(kManifestFormat);
    manifest.set_arithmetic_version(1);
    manifest.set_name(SnapshotName(time));
    manifest.set_generation(time.generation);
    manifest.set_created_seconds(1'790'000'000);
    manifest.mutable_data()->set_name("toy");
    manifest.mutable_data()->set_digest("0123456789abcdef0123456789abcdef");
    manifest.mutable_data()->set_users(tables_[0].rows());
    manifest.mutable_data()->set_items(tables_[1].rows());
    manifest.mutable_data()->set_source_path("data/toy \"\303\251t\303\251\"");
    manifest.mutable_data()->set_split("random .1, seed 42");
    manifest.mutable_statistics()->set_mean(3.5298833);
    manifest.mutable_statistics()->set_min(0.5);
    manifest.mutable_statistics()->set_max(5);
    manifest.set_partitions(partitioning_.count());
    manifest.mutable_tables()->Add(tables_.begin(), tables_.end());
    manifest.mutable_position()->set_step(time.step);
    manifest.mutable_position()->set_steps_per_epoch(100);
    for (std::size_t p = 0; p < partitioning_.count(); ++p) {
      for (const std::vector<FileEntry>& layer : layers) *manifest.add_files() = layer[p];
    }
    return manifest;
  }

 private:
  Partitioning partitioning_;
  std::vector<SnapshotTable> tables_;
  std::map<std::pair<TableId, RowId>, std::uint32_t> versions_;
};

/// Flips one bit of a file.
inline void FlipBit(const std::string& path, std::size_t offset) {
  std::FILE* file = std::fopen(path.c_str(), "r+b");
  Check(file != nullptr, "the test can open the file");
  std::fseek(file, static_cast<long>(offset), SEEK_SET);
  const int byte = std::fgetc(file);
  std::fseek(file, static_cast<long>(offset), SEEK_SET);
  std::fputc(byte ^ 1, file);
  std::fclose(file);
}

}  // namespace cf
