#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/writer.h"
#include "common/math/random.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot_store.h"

namespace cf {

/// A folder of the running test's own, gone at the end.
class TestFolder {
 public:
  TestFolder() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    path_ = testing::TempDir() + "cf_serving_" + test->test_suite_name() + "_" + test->name();
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  ~TestFolder() { std::filesystem::remove_all(path_); }
  std::string At(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

/// 60 users, 90 items, about a third of all pairs rated, titles that CSV has to quote.
inline void WriteTestData(const std::string& folder) {
  constexpr std::uint32_t kUserCount = 60;
  constexpr std::uint32_t kItemCount = 90;
  const CounterRandom random(7, Purpose::kSynth);
  SampleBlock block;
  std::vector<std::int64_t> users;
  std::vector<std::int64_t> items;
  std::vector<ItemText> texts;
  for (std::uint32_t u = 0; u < kUserCount; ++u) users.push_back(1000 + 7 * u);
  for (std::uint32_t i = 0; i < kItemCount; ++i) {
    items.push_back(5 + 3 * i);
    texts.push_back({.title = "Film \"" + std::to_string(i) + "\", The", .genres = "Action|Drama"});
  }
  texts[8].title = "Motion (a.k.a. Standstill) (1994)";
  for (std::uint32_t u = 0; u < kUserCount; ++u) {
    for (std::uint32_t i = 0; i < kItemCount; ++i) {
      const std::uint64_t bits = random.Bits64(u * kItemCount + i);
      if (bits % 3 != 0) continue;
      block.users.push_back(u);
      block.items.push_back(i);
      block.ratings.push_back(0.5F * static_cast<float>(1 + bits / 3 % 10));
    }
  }
  DatasetWriterOptions options;
  options.folder = folder;
  options.name = "toy";
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create(options);
  Check(writer.ok(), "the test can write a data set");
  writer->Append(std::move(block));
  writer->SetUsers(Vocabulary(std::move(users)));
  writer->SetItems(Vocabulary(std::move(items)));
  writer->SetItemTexts(std::move(texts));
  Check(writer->Finish().ok(), "the test can finish a data set");
}

struct TestSnapshotOptions {
  std::uint32_t dim = 10;
  Fit::Link link = Fit::IDENTITY;
  /// What is changed in the manifest before it is committed.
  std::function<void(Manifest&)> change = [](Manifest&) {};
};

/// Float k of a row's record: weights of the order of 1, optimizer state that is never a weight.
inline float TestWeight(TableId table, RowId row, std::size_t k) {
  const CounterRandom random(11, Purpose::kInitialValues,
                             CounterRandom::Stream(Index(table), static_cast<std::uint32_t>(row)));
  return random.UniformFloat(k) - 0.5F;
}

/// The record of a row of the test's model: items 3 and 4 are equal to the last bit, so every user
/// scores them alike.
inline std::vector<float> TestRecord(TableId table, RowId row, std::uint32_t dim) {
  if (table == kItems && row == RowId{4}) row = RowId{3};
  std::vector<float> record(std::size_t{3} * (dim + 1), 1e6F);  // Two moments of optimizer state.
  for (std::size_t k = 0; k <= dim; ++k) record[k] = TestWeight(table, row, k);
  return record;
}

/// Commits a snapshot of an untrained model on `data` to the run folder `run`; returns its path.
inline std::string WriteTestSnapshot(const std::string& run, const Dataset& data,
                                     const TestSnapshotOptions& options = {}) {
  const std::string folder = run + "/snapshots";
  std::filesystem::create_directories(run);
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(folder);
  Check(store.ok(), "the test can open a snapshot store");
  const SnapshotTime time = {.generation = 1, .step = 100};
  const Partitioning partitioning(4);
  const std::uint32_t rows[] = {data.users(), data.items()};

  Manifest manifest;
  manifest.set_format_version(kManifestFormat);
  manifest.set_arithmetic_version(1);
  manifest.set_name(SnapshotName(time));
  manifest.set_generation(time.generation);
  manifest.mutable_data()->set_name(data.name());
  manifest.mutable_data()->set_digest(data.digest());
  manifest.mutable_data()->set_users(data.users());
  manifest.mutable_data()->set_items(data.items());
  manifest.mutable_data()->set_source_path(data.folder());
  manifest.mutable_data()->set_split("random .1, seed 42");
  manifest.mutable_statistics()->set_mean(2.75);
  manifest.mutable_statistics()->set_min(0.5);
  manifest.mutable_statistics()->set_max(5);
  manifest.set_partitions(partitioning.count());
  manifest.mutable_position()->set_step(time.step);
  manifest.mutable_position()->set_epoch(1);
  manifest.mutable_position()->set_steps_per_epoch(100);
  manifest.mutable_last_metrics()->set_epoch(1);
  manifest.mutable_last_metrics()->set_step(100);
  manifest.mutable_last_metrics()->set_val_rmse(0.875);
  manifest.set_best_snapshot(manifest.name());
  *manifest.mutable_best_metrics() = manifest.last_metrics();
  manifest.mutable_job()->mutable_split()->mutable_random();
  MatrixFactorization& model =
      *manifest.mutable_job()->mutable_model()->mutable_matrix_factorization();
  model.set_dim(options.dim);
  model.set_link(options.link);
  model.set_mean(options.link == Fit::IDENTITY);
  for (const char* name : {"users", "items"}) {
    SnapshotTable& table = *manifest.add_tables();
    table.set_name(name);
    table.set_rows(rows[manifest.tables_size() - 1]);
    table.set_dim(options.dim);
    table.set_bias(true);
    table.set_slots(2);
  }
  for (std::uint32_t p = 0; p < partitioning.count(); ++p) {
    absl::StatusOr<PartitionWriter> writer =
        PartitionWriter::Create(folder, {.time = time, .partition = PartitionId{p}, .kind = BASE});
    Check(writer.ok(), "the test can create a row file");
    for (const TableId table : {kUsers, kItems}) {
      for (std::uint32_t s = 0; s < partitioning.RowsIn(PartitionId{p}, rows[Index(table)]); ++s) {
        const RowId row = partitioning.IdAt(PartitionId{p}, s);
        Check(writer->Add(table, row, TestRecord(table, row, options.dim)).ok(),
              "the test can write a row");
      }
    }
    absl::StatusOr<FileEntry> entry = writer->Finish();
    Check(entry.ok(), "the test can finish a row file");
    *manifest.add_files() = *std::move(entry);
  }
  options.change(manifest);
  const absl::Status committed = store->Commit(manifest);
  EXPECT_TRUE(committed.ok()) << committed;
  return folder + "/best";
}

}  // namespace cf
