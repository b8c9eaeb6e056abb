#include "coordinator/training_data.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "paramserver/block_host.h"
#include "worker/block_samples.h"
#include "worker/models/batch_items.h"
#include "worker/samples.h"

namespace cf {
namespace {

/// The memory that a partition's rows take.
std::size_t RowsBytes(const std::vector<TableSpec>& tables, Partitioning partitioning,
                      PartitionId partition) {
  std::size_t bytes = 0;
  for (const TableSpec& table : tables) {
    bytes += partitioning.RowsIn(partition, table.shape.rows) * RowLayout(table.shape).stride() *
             sizeof(float);
  }
  return bytes;
}

// Samples of a turn that only scores, over all ranks: as much as fits the caches, few enough turns.
constexpr std::uint64_t kScoredBatch = 16384;

/// Whether a rank needs the training samples of users that it does not work for: their items'
/// counts, the items themselves, or all ratings.
bool LooksAtAllUsers(const Job& job, const ModelSpec& model) {
  return model.counts_items() || model.starts_from_baseline() || model.batch_is_candidates() ||
         !model.features().empty() || job.validation().metrics_size() > 0;
}

}  // namespace

absl::StatusOr<TrainingData> TrainingData::Open(const Job& job) {
  std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  absl::StatusOr<Dataset> data = Dataset::Open(job.data().path());
  if (!data.ok()) return data.status();
  absl::StatusOr<DataSplit> split = DataSplit::Make(*data, job.split());
  if (!split.ok()) return split.status();
  if (job.split().kind_case() != Split::KIND_NOT_SET && split->validation_count() == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the split \"", split->name(), "\" leaves no validation sample of ", data->name()));
  }
  absl::StatusOr<TrainingStatistics> statistics =
      ComputeTrainingStatistics(*data, *split, job.train().partitions());
  if (!statistics.ok()) return statistics.status();
  if (model->scales_ratings() && statistics->min == statistics->max) {
    return absl::FailedPreconditionError(
        absl::StrCat(data->folder(), ": all training ratings are ", statistics->min,
                     ", so link SIGMOID and SCALED_SIGMOID have no range; use link IDENTITY"));
  }
  if (model->predicts_ratings() && statistics->min == statistics->max) {
    return absl::FailedPreconditionError(absl::StrCat(
        data->folder(), ": all training ratings are ", statistics->min,
        data->has_ratings() ? "" : ", as the import found no column of ratings",
        ", so a model of ratings learns nothing; import the ratings (cfdata import --columns), or "
        "train on interactions (implicit_factorization)"));
  }
  absl::StatusOr<std::vector<FeatureLists>> features = MakeFeatureLists(job, *data, *split);
  if (!features.ok()) return features.status();
  return TrainingData{std::move(model), *std::move(data), *std::move(split), *statistics,
                      *std::move(features)};
}

absl::StatusOr<TrainingData> TrainingData::OpenPart(const Job& job, const UsersOfPartitions& users,
                                                    const RandomCut& cut,
                                                    const TrainingStatistics& statistics) {
  std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  absl::StatusOr<Dataset> data = Dataset::Open(job.data().path());
  if (!data.ok()) return data.status();
  absl::StatusOr<DataSplit> split = LooksAtAllUsers(job, *model)
                                        ? DataSplit::Make(*data, job.split())
                                        : DataSplit::MakeFor(users, cut, *data, job.split());
  if (!split.ok()) return split.status();
  absl::StatusOr<std::vector<FeatureLists>> features = MakeFeatureLists(job, *data, *split);
  if (!features.ok()) return features.status();
  return TrainingData{std::move(model), *std::move(data), *std::move(split), statistics,
                      *std::move(features)};
}

std::vector<TableSpec> TrainingData::Tables() const {
  std::vector<std::uint32_t> rows;
  for (const FeatureLists& lists : features) rows.push_back(lists.rows());
  return model->Tables({.users = data.users(), .items = data.items(), .features = rows});
}

Objective TrainingData::MakeObjective() const {
  return model->ObjectiveFor({.mean = statistics.mean,
                              .deviation = statistics.deviation,
                              .min = statistics.min,
                              .max = statistics.max});
}

std::uint64_t TrainingData::steps_per_epoch(const Job& job) const {
  const std::uint64_t batch = job.train().batch_size();
  return (split.training_count() + batch - 1) / batch;
}

std::uint64_t ScoringTurns(const Job& job, const ModelSpec& model, std::uint64_t samples) {
  const std::uint64_t batch =
      model.batch_is_candidates()
          ? job.train().batch_size()
          : std::max<std::uint64_t>(1, kScoredBatch / (1 + model.negatives()));
  return (samples + batch - 1) / batch;
}

absl::Status CheckMemory(const Job& job, const TrainingData& data, const Placement& placement,
                         int rank, std::uint64_t memory) {
  const std::vector<TableSpec> tables = data.Tables();
  std::size_t rows = 0;
  const Placement::Role& servers = placement.servers();
  for (const std::uint32_t seat : servers.OnRank(rank)) {
    for (std::uint32_t p = servers.range(seat).first; p < servers.range(seat).last; ++p) {
      rows += RowsBytes(tables, placement.partitioning(), PartitionId{p});
    }
  }
  const std::uint64_t limit = job.cluster().memory_mib();
  if (limit > 0 && rows >> 20 >= limit) {
    return absl::FailedPreconditionError(absl::StrCat(
        "rank ", rank, " would hold ", (rows >> 20) + 1,
        " MiB of rows where cluster.memory_mib is ", limit, ": start more ranks, or raise it"));
  }
  // The rank's share of the samples, as they would be if all partitions had the same number.
  const Placement::Role& workers = placement.workers();
  std::uint64_t partitions = 0;
  for (const std::uint32_t seat : workers.OnRank(rank)) {
    partitions += workers.range(seat).size();
  }
  std::uint64_t samples = data.split.training_count() * PartitionSamples::kBytesPerTrainingSample *
                          partitions / job.train().partitions();
  if (job.train().user_group() > 1) {
    samples += data.split.training_count() * PartitionSamples::kBytesPerGroupedSample * partitions /
               job.train().partitions();
  }
  if (data.model->batch_is_candidates()) {
    samples +=
        data.split.training_count() * BatchItems::kBytesPerSample * workers.OnRank(rank).size();
  }
  if (job.train().schedule() == Train::BLOCKS) {
    const TableSpec& items = tables[Index(kItems)];
    const std::size_t block =
        BlockHost::BlockBytes(items, placement.partitioning(), PartitionId{0});
    if (block > FrameLimits().payload_bytes_max) {
      return absl::FailedPreconditionError(absl::StrCat(
          "a partition of items takes ", block >> 20, " MiB, and at most ",
          FrameLimits().payload_bytes_max >> 20,
          " MiB can move with train.schedule BLOCKS: raise train.partitions (another model)"));
    }
    // Items are in the store and on their way.
    rows += block * partitions;
    samples += data.split.training_count() * BlockSamples::kBytesPerSample * partitions /
               job.train().partitions();
  }
  for (const FeatureLists& lists : data.features) {
    if (lists.side() != FeatureSide::kUser) continue;
    samples += data.split.training_count() * FeatureLists::kBytesPerTrainingSample;
  }
  if (memory == 0 || rows + samples < memory) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "rank ", rank, " needs ", (rows >> 20) + 1, " MiB for its rows and ", (samples >> 20) + 1,
      " MiB for its samples, and may use ", memory >> 20,
      " MiB: start ranks on more hosts, ask for more memory, or choose smaller vectors"));
}

}  // namespace cf
