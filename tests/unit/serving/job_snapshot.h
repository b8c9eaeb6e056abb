#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/config/config.h"
#include "common/dataset/dataset.h"
#include "common/model/model_spec.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot_store.h"
#include "tests/unit/serving/test_model.h"

namespace cf {

/// Commits a snapshot of an untrained model of any kind on `data` to the run folder `run`; returns
/// its path. `job` is of the fields model and train; the split is that of the data set's
/// validation file or random, the optimizer without state. Features have the histories' rows.
inline std::string WriteJobSnapshot(const std::string& run, const Dataset& data,
                                    const std::string& job) {
  const std::string folder = run + "/snapshots";
  std::filesystem::create_directories(run);
  SnapshotStore store = SnapshotStore::Open(folder).value();
  const SnapshotTime time = {.generation = 1, .step = 100};
  const Partitioning partitioning(4);
  Manifest manifest;
  Check(google::protobuf::TextFormat::ParseFromString(job, manifest.mutable_job()),
        "the test's job is one");
  manifest.mutable_job()->mutable_data()->set_path(data.folder());
  manifest.mutable_job()->mutable_optimizer()->mutable_sgd();
  Split& split = *manifest.mutable_job()->mutable_split();
  if (data.given_validation().empty()) {
    split.mutable_random();
  } else {
    split.mutable_given();
  }
  manifest.mutable_job()->mutable_train()->set_partitions(partitioning.count());
  FillDefaults(*manifest.mutable_job());
  manifest.set_format_version(kManifestFormat);
  manifest.set_arithmetic_version(1);
  manifest.set_name(SnapshotName(time));
  manifest.set_generation(time.generation);
  manifest.mutable_data()->set_name(data.name());
  manifest.mutable_data()->set_digest(data.digest());
  manifest.mutable_data()->set_users(data.users());
  manifest.mutable_data()->set_items(data.items());
  manifest.mutable_data()->set_source_path(data.folder());
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
  manifest.set_best_snapshot(manifest.name());
  *manifest.mutable_best_metrics() = manifest.last_metrics();
  const std::unique_ptr<const ModelSpec> spec = ModelSpec::Make(manifest.job());
  const std::vector<std::uint32_t> features(spec->features().size(), data.items());
  const std::vector<TableSpec> tables =
      spec->Tables({.users = data.users(), .items = data.items(), .features = features});
  for (const TableSpec& spec_of_table : tables) {
    SnapshotTable& table = *manifest.add_tables();
    table.set_name(spec_of_table.shape.name);
    table.set_rows(spec_of_table.shape.rows);
    table.set_dim(spec_of_table.shape.dim);
    table.set_bias(spec_of_table.shape.biases);
  }
  for (std::uint32_t p = 0; p < partitioning.count(); ++p) {
    PartitionWriter writer =
        PartitionWriter::Create(folder, {.time = time, .partition = PartitionId{p}, .kind = BASE})
            .value();
    for (std::uint32_t t = 0; t < tables.size(); ++t) {
      const TableShape& shape = tables[t].shape;
      for (std::uint32_t s = 0; s < partitioning.RowsIn(PartitionId{p}, shape.rows); ++s) {
        const RowId row = partitioning.IdAt(PartitionId{p}, s);
        std::vector<float> record(RowLayout(shape).record_floats());
        for (std::size_t k = 0; k < record.size(); ++k) record[k] = TestWeight(TableId{t}, row, k);
        Check(writer.Add(TableId{t}, row, record).ok(), "the test can write a row");
      }
    }
    *manifest.add_files() = writer.Finish().value();
  }
  const absl::Status committed = store.Commit(manifest);
  EXPECT_TRUE(committed.ok()) << committed;
  return folder + "/best";
}

}  // namespace cf
