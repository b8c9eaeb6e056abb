#include "coordinator/measure.h"

#include <optional>
#include <utility>

#include "coordinator/ranking_figures.h"

namespace cf {

absl::Status AddOthers(const ExecuteCommand& execute, const Job& job, const TrainingData& data,
                       std::span<const std::string> others, std::span<const ObjectiveSums> sums,
                       const std::string& what, Evaluation& evaluation) {
  Command command;
  *command.mutable_measure_lists() = MeasureListsCommand(others);
  RankingFigures ranking;
  if (command.measure_lists().metrics_size() > 0) {
    absl::StatusOr<std::vector<Reply>> replies = execute(command);
    if (!replies.ok()) return replies.status();
    absl::StatusOr<RankingFigures> added =
        AddUpLists(command.measure_lists(), *replies, job.train().partitions(), data.data.items());
    if (!added.ok()) return added.status();
    ranking = *std::move(added);
    evaluation.ranked = DescribeCounts(ranking.counts, data.data.items(), what);
  }
  for (const std::string& name : others) {
    const std::optional<double> ranked = ranking.figures.Find(name);
    if (ranked.has_value()) {
      evaluation.figures.Set(name, *ranked);
    } else if (!sums.empty()) {
      evaluation.figures.SetAll(FiguresOf(sums, std::span(&name, 1)));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ObjectiveSums>> SumsOf(std::span<const Reply> replies,
                                                  std::uint32_t partitions) {
  std::vector<ObjectiveSums> sums(partitions);
  for (const Reply& reply : replies) {
    for (const PartitionFigures& figures : reply.figures()) {
      if (figures.partition() >= sums.size())
        return absl::DataLossError("figures of a partition that is not there");
      sums[figures.partition()] = {.loss = figures.loss(),
                                   .squared_error = figures.squared_error(),
                                   .absolute_error = figures.absolute_error(),
                                   .samples = figures.samples()};
    }
  }
  return sums;
}

absl::StatusOr<std::vector<std::uint64_t>> NextLegsOf(std::span<const Reply> replies,
                                                      std::uint32_t partitions,
                                                      std::uint64_t legs) {
  std::vector<std::uint64_t> next(partitions);
  for (const Reply& reply : replies) {
    for (const PartitionFigures& figures : reply.figures()) {
      if (figures.partition() >= partitions || figures.next_leg() > legs)
        return absl::DataLossError("a partition is where there is none");
      next[figures.partition()] = figures.next_leg();
    }
  }
  return next;
}

absl::StatusOr<double> MeasurePenalty(const ExecuteCommand& execute, std::uint32_t partitions) {
  Command command;
  command.mutable_penalty();
  absl::StatusOr<std::vector<Reply>> replies = execute(command);
  if (!replies.ok()) return replies.status();
  std::vector<double> penalties(partitions);
  for (const Reply& reply : *replies) {
    for (const PartitionFigures& figures : reply.figures()) {
      if (figures.partition() >= penalties.size())
        return absl::DataLossError("a penalty of a partition that is not there");
      penalties[figures.partition()] = figures.l2_penalty();
    }
  }
  return SumAlongTree(penalties);
}

absl::StatusOr<Evaluation> MeasureSamples(const ExecuteCommand& execute, const Job& job,
                                          const TrainingData& data, bool training_samples,
                                          std::span<const std::string> others) {
  const std::uint64_t n =
      training_samples ? data.split.training_count() : data.split.validation_count();
  Command command;
  if (job.train().schedule() == Train::BLOCKS) {
    command.mutable_validate()->set_batches_of_partition(ScoringTurnsOfPartition(job, n));
  } else {
    command.mutable_validate()->set_batches(ScoringTurns(job, *data.model, n));
  }
  command.mutable_validate()->set_training_samples(training_samples);
  absl::StatusOr<std::vector<Reply>> replies = execute(command);
  if (!replies.ok()) return replies.status();
  absl::StatusOr<std::vector<ObjectiveSums>> sums = SumsOf(*replies, job.train().partitions());
  if (!sums.ok()) return sums.status();
  const std::string prefix = training_samples ? "train_" : "val_";
  std::vector<std::string> names = {prefix + "loss"};
  if (data.model->predicts_ratings()) names.insert(names.end(), {prefix + "rmse", prefix + "mae"});
  Evaluation evaluation = {
      .samples = SamplesOf(*sums), .split = data.split.name(), .figures = FiguresOf(*sums, names)};
  absl::Status added =
      AddOthers(execute, job, data, others, *sums,
                training_samples ? "training sample" : "validation sample", evaluation);
  if (!added.ok()) return added;
  return evaluation;
}

}  // namespace cf
