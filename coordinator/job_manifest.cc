#include "coordinator/job_manifest.h"

#include <filesystem>
#include <string>
#include <system_error>

#include "common/model/tables.h"

namespace cf {

Manifest JobManifest(const Job& job, const TrainingData& data) {
  Manifest manifest;
  manifest.set_format_version(kManifestFormat);
  manifest.set_arithmetic_version(kArithmeticVersion);
  SnapshotData& of = *manifest.mutable_data();
  of.set_name(data.data.name());
  of.set_digest(data.data.digest());
  of.set_users(data.data.users());
  of.set_items(data.data.items());
  // Whoever opens the snapshot may be in another folder.
  std::error_code error;
  const std::string absolute = std::filesystem::absolute(job.data().path(), error).string();
  of.set_source_path(error ? job.data().path() : absolute);
  of.set_split(data.split.name());
  SnapshotStatistics& statistics = *manifest.mutable_statistics();
  statistics.set_mean(data.statistics.mean);
  statistics.set_deviation(data.statistics.deviation);
  statistics.set_min(static_cast<double>(data.statistics.min));
  statistics.set_max(static_cast<double>(data.statistics.max));
  statistics.set_training_samples(data.split.training_count());
  statistics.set_validation_samples(data.split.validation_count());
  manifest.set_partitions(job.train().partitions());
  for (const TableSpec& table : data.Tables()) {
    SnapshotTable& entry = *manifest.add_tables();
    entry.set_name(table.shape.name);
    entry.set_rows(table.shape.rows);
    entry.set_dim(table.shape.dim);
    entry.set_bias(table.shape.biases);
    entry.set_slots(table.shape.moments);
    entry.set_last_step(table.shape.last_step);
  }
  *manifest.mutable_job() = job;
  return manifest;
}

}  // namespace cf
