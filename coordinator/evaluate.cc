#include "coordinator/evaluate.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/config/config.h"
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

absl::Status AddOthers(const std::vector<std::string>& names, const TrainingData& data,
                       std::uint32_t partitions, Member& member, Evaluation& evaluation) {
  Command command;
  *command.mutable_rank() = RankCommand(names);
  RankingFigures ranking;
  if (command.rank().metrics_size() > 0) {
    absl::StatusOr<Reply> reply = member.Execute(command);
    if (!reply.ok()) return reply.status();
    absl::StatusOr<RankingFigures> added = AddUpRanks(
        command.rank(), std::vector<Reply>{*std::move(reply)}, partitions, data.data.items());
    if (!added.ok()) return added.status();
    ranking = *std::move(added);
    evaluation.ranked = DescribeCounts(ranking.counts, data.data.items());
  }
  for (const std::string& name : names) {
    const auto ranked =
        std::find_if(ranking.figures.begin(), ranking.figures.end(),
                     [&name](const NamedFigure& figure) { return figure.name == name; });
    if (ranked != ranking.figures.end()) {
      evaluation.others.push_back(*ranked);
    } else if (name == "val_bce") {
      evaluation.others.push_back({.name = name, .value = evaluation.figures.loss});
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options) {
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  Job job = snapshot->manifest().job();
  if (!options.data.empty()) job.mutable_data()->set_path(options.data);
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
  Command command;
  command.mutable_validate()->set_batches(ScoringTurns(job, samples));
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
  Evaluation evaluation{.figures = FiguresOf(sums),
                        .split = data->split.name(),
                        .has_errors = PredictsRatings(job)};
  absl::Status added = AddOthers(*others, *data, job.train().partitions(), **member, evaluation);
  if (!added.ok()) return added;
  return evaluation;
}

}  // namespace cf
