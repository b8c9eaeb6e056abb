#include "coordinator/evaluate.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "coordinator/member.h"

namespace cf {
namespace {

constexpr std::uint64_t kTurnSamples = 16384;

}  // namespace

absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options) {
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  Job job = snapshot->manifest().job();
  if (!options.data.empty()) job.mutable_data()->set_path(options.data);
  absl::StatusOr<TrainingData> data = TrainingData::Open(job);
  if (!data.ok()) return data.status();
  if (data->data.digest() != snapshot->manifest().data().digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        job.data().path(), " is not the data set that ", options.snapshot, " was trained on"));
  }
  const std::uint64_t samples =
      options.training_samples ? data->split.training_count() : data->split.validation_count();
  if (samples == 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        options.snapshot, " was trained without a split, so there are no validation samples"));
  }
  absl::StatusOr<Placement> placement =
      Placement::Make({.partitions = job.train().partitions(), .threads = {1}, .servers = 0});
  if (!placement.ok()) return placement.status();
  absl::StatusOr<std::unique_ptr<Member>> member = Member::Open({.job = job,
                                                                 .snapshots_folder = {},
                                                                 .snapshot = &*snapshot,
                                                                 .data = &*data,
                                                                 .placement = &*placement});
  if (!member.ok()) return member.status();
  Command command;
  command.mutable_validate()->set_batches((samples + kTurnSamples - 1) / kTurnSamples);
  command.mutable_validate()->set_training_samples(options.training_samples);
  absl::StatusOr<Reply> reply = (*member)->Execute(command);
  if (!reply.ok()) return reply.status();
  std::vector<ObjectiveSums> sums(job.train().partitions());
  for (const PartitionFigures& figures : reply->figures()) {
    sums[figures.partition()] = {.loss = figures.loss(),
                                 .squared_error = figures.squared_error(),
                                 .absolute_error = figures.absolute_error(),
                                 .samples = figures.samples()};
  }
  return Evaluation{.figures = FiguresOf(sums), .split = data->split.name()};
}

}  // namespace cf
