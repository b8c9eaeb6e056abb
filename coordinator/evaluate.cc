#include "coordinator/evaluate.h"

#include <memory>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/config/config.h"
#include "coordinator/measure.h"
#include "coordinator/member.h"
#include "coordinator/ranking_figures.h"

namespace cf {
namespace {

/// The figures to compute beside those of every job, which must be such as the job could ask for.
absl::StatusOr<std::vector<std::string>> OthersOf(const EvaluateOptions& options, Job job) {
  if (options.training_samples) {
    if (options.metrics.empty()) return std::vector<std::string>();
    return absl::InvalidArgumentError(
        absl::StrCat(options.metrics.front(), " is a figure of validation samples"));
  }
  if (options.metrics.empty()) return OtherFigures(job);
  job.mutable_validation()->mutable_metrics()->Assign(options.metrics.begin(),
                                                      options.metrics.end());
  absl::Status valid = ValidateJob(job);
  if (!valid.ok()) return valid;
  return options.metrics;
}

}  // namespace

absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options) {
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  Job job = snapshot->manifest().job();
  if (!options.data.empty()) job.mutable_data()->set_path(options.data);
  // It comes out of a file, perhaps of another program: it is judged before it is believed.
  FillDefaults(job);
  if (const absl::Status valid = ValidateJob(job); !valid.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot's job is not one that can be evaluated: ", valid.message()));
  }
  if (job.train().partitions() != snapshot->manifest().partitions()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot has ", snapshot->manifest().partitions(),
                     " partitions, and its job ", job.train().partitions()));
  }
  const absl::StatusOr<std::vector<std::string>> others = OthersOf(options, job);
  if (!others.ok()) return others.status();
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
  const ExecuteCommand execute =
      [&member](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
    absl::StatusOr<Reply> reply = (*member)->Execute(command);
    if (!reply.ok()) return reply.status();
    return std::vector<Reply>{*std::move(reply)};
  };
  return MeasureSamples(execute, job, *data, options.training_samples, *others);
}

}  // namespace cf
