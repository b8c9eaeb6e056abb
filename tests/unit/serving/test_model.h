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
#include "tests/support/temporary_folder.h"

namespace cf {

using TestFolder = TemporaryFolder;

/// 60 users, 90 items, about a third of all pairs rated, titles that CSV has to quote.
inline void WriteTestData(const std::string& folder) {
  constexpr std::uint32_t kUserCount = 60;
  constexpr std::uint32_t kItemCount = 90;
  const CounterRandom random(7, Purpose::kSynth);
  SampleChunk chunk;
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
      chunk.users.push_back(u);
      chunk.items.push_back(i);
      chunk.ratings.push_back(0.5F * static_cast<float>(1 + bits / 3 % 10));
    }
  }
  DatasetWriterOptions options;
  options.folder = folder;
  options.name = "toy";
  absl::StatusOr<DatasetWriter> writer = DatasetWriter::Create(options);
  Check(writer.ok(), "the test can write a data set");
  writer->Append(std::move(chunk));
  writer->SetUsers(Vocabulary(std::move(users)));
  writer->SetItems(Vocabulary(std::move(items)));
  writer->SetItemTexts(std::move(texts));
  Check(writer->Finish().ok(), "the test can finish a data set");
}

/// Users 100 to 107 and items 200 to 209 with a given validation file. In training, users 100 to 105
/// have rated some of the items 200 to 206, the first of them most often, and user 107 item 200.
/// User 106 has samples of validation only, and so have item 208, which shares the genre Drama with
/// others, and item 209, which has none. User 107 has item 209 to validate. Item 300 has a title and
/// no rating.
inline void WriteColdData(const std::string& folder) {
  SampleChunk training;
  SampleChunk validation;
  validation.validation = true;
  const auto add = [](SampleChunk& to, std::uint32_t user, std::uint32_t item, float rating) {
    to.users.push_back(user);
    to.items.push_back(item);
    to.ratings.push_back(rating);
  };
  for (std::uint32_t u = 0; u < 6; ++u) {
    for (std::uint32_t i = 0; i <= u + 1; ++i) {
      add(training, u, i, static_cast<float>(1 + (u + i) % 5));
    }
  }
  add(training, 7, 0, 4);
  add(training, 5, 7, 2);
  add(validation, 6, 0, 5);
  add(validation, 6, 8, 1);
  add(validation, 7, 9, 3);
  std::vector<std::int64_t> users;
  std::vector<std::int64_t> items;
  std::vector<ItemText> texts;
  for (std::uint32_t u = 0; u < 8; ++u) users.push_back(100 + u);
  const char* titles[] = {"Toy Story (1995)",
                          "Toy Story 2 (1999)",
                          "Matrix, The (1999)",
                          "Am\xc3\xa9lie (2001)",
                          "Star Wars: Episode IV - A New Hope (1977)",
                          "Twice (2000)",
                          "Twice (2000)",
                          "1984 (1984)",
                          "Cold (1999)",
                          "100"};
  for (std::uint32_t i = 0; i < 10; ++i) {
    items.push_back(200 + i);
    texts.push_back({.title = titles[i], .genres = i == 9 ? "" : i % 2 == 0 ? "Drama" : "Sci-Fi"});
  }
  DatasetWriter writer =
      DatasetWriter::Create(
          {.folder = folder, .name = "cold", .has_validation = true, .overwrite = true})
          .value();
  writer.Append(std::move(training));
  writer.Append(std::move(validation));
  writer.SetUsers(Vocabulary(std::move(users)));
  writer.SetItems(Vocabulary(std::move(items)));
  writer.SetItemTexts(std::move(texts));
  writer.SetUnratedItems(
      {{.raw_id = "300", .text = {.title = "Toy Story 3 (2010)", .genres = ""}}});
  Check(writer.Finish().ok(), "the test can write a data set");
}

struct TestSnapshotOptions {
  std::uint32_t dim = 10;
  Fit::Link link = Fit::IDENTITY;
  /// Of a feature of the items' genres: how many the data set has; 0: there is no such feature.
  std::uint32_t genres = 0;
  bool same_items = false;    ///< Whether all items have the same row.
  bool counts_items = false;  ///< Whether the model is of popularity. Requires: dim is 0.
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
  const std::uint32_t rows[] = {data.users(), data.items(), options.genres};

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
  manifest.mutable_statistics()->set_deviation(1.25);
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
  manifest.mutable_job()->mutable_train()->set_partitions(partitioning.count());
  MatrixFactorization& model =
      *manifest.mutable_job()->mutable_model()->mutable_matrix_factorization();
  model.set_dim(options.dim);
  model.set_link(options.link);
  model.set_mean(options.link == Fit::IDENTITY);
  std::vector<const char*> names = {"users", "items"};
  if (options.genres > 0) {
    model.add_feature()->set_source(Feature::ITEM_GENRES);
    names.push_back("genres");
  }
  if (options.counts_items) manifest.mutable_job()->mutable_model()->mutable_popularity();
  for (const char* name : names) {
    SnapshotTable& table = *manifest.add_tables();
    table.set_name(name);
    table.set_rows(rows[manifest.tables_size() - 1]);
    table.set_dim(options.dim);
    table.set_bias(true);
    table.set_slots(options.counts_items ? 0 : 2);
  }
  for (std::uint32_t p = 0; p < partitioning.count(); ++p) {
    absl::StatusOr<PartitionWriter> writer =
        PartitionWriter::Create(folder, {.time = time, .partition = PartitionId{p}, .kind = BASE});
    Check(writer.ok(), "the test can create a row file");
    for (std::uint32_t t = 0; t < names.size(); ++t) {
      const TableId table{t};
      for (std::uint32_t s = 0; s < partitioning.RowsIn(PartitionId{p}, rows[Index(table)]); ++s) {
        const RowId row = partitioning.IdAt(PartitionId{p}, s);
        std::vector<float> record =
            TestRecord(table, options.same_items && table == kItems ? RowId{0} : row, options.dim);
        if (options.counts_items) record.resize(1);  // No optimizer has state.
        Check(writer->Add(table, row, record).ok(), "the test can write a row");
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

/// A model of WriteColdData's data, with its validation file as the split. Every test that opens one
/// does so in a folder of its own.
inline std::string WriteColdSnapshot(const std::string& folder, TestSnapshotOptions options = {}) {
  WriteColdData(folder + "/data");
  const std::function<void(Manifest&)> change = options.change;
  options.change = [&change](Manifest& manifest) {
    manifest.mutable_job()->mutable_split()->mutable_given();
    change(manifest);
  };
  return WriteTestSnapshot(folder + "/run", Dataset::Open(folder + "/data").value(), options);
}

}  // namespace cf
