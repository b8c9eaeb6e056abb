#include "coordinator/training_data.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "coordinator/storage_plan.h"

namespace cf {
namespace {

// Samples of a turn that only scores, over all ranks: as much as fits the caches, few enough turns.
constexpr std::uint64_t kScoredBatch = 16384;
// The same of a partition, while each seat scores another.
constexpr std::uint64_t kScoredOfPartition = 4096;

/// Whether a rank needs the training samples of users that it does not work for: their items'
/// counts, the items themselves, or all ratings.
bool LooksAtAllUsers(const Job& job, const ModelSpec& model) {
  return model.counts_items() || model.starts_from_baseline() || model.batch_is_candidates() ||
         !model.features().empty() || job.validation().metrics_size() > 0;
}

/// With a budget the pages of the data set are not to take memory that nobody counts.
Dataset::Pages PagesFor(const Job& job) {
  return MemoryBudget(job) > 0 ? Dataset::Pages::kAreGivenBack : Dataset::Pages::kStay;
}

}  // namespace

absl::StatusOr<TrainingData> TrainingData::Open(const Job& job) {
  std::unique_ptr<const ModelSpec> model = ModelSpec::Make(job);
  absl::StatusOr<Dataset> data = Dataset::Open(job.data().path(), PagesFor(job));
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
  absl::StatusOr<Dataset> data = Dataset::Open(job.data().path(), PagesFor(job));
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
  std::uint64_t batch = std::max<std::uint64_t>(1, kScoredBatch / (1 + model.negatives()));
  // Where memory is short, no more rows are wanted at once than in a step.
  if (model.batch_is_candidates() || MemoryBudget(job) > 0) {
    batch = model.batch_is_candidates() ? job.train().batch_size()
                                        : std::min<std::uint64_t>(batch, job.train().batch_size());
  }
  return (samples + batch - 1) / batch;
}

std::uint64_t ScoringTurnsOfPartition(const Job& job, std::uint64_t samples) {
  const std::uint64_t batch = std::uint64_t{kScoredOfPartition} * job.train().partitions();
  return std::max<std::uint64_t>(1, (samples + batch - 1) / batch);
}

}  // namespace cf
