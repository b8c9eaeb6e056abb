#include "coordinator/evaluate.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/config/config.h"
#include "common/metrics/names.h"
#include "coordinator/measure.h"
#include "coordinator/member.h"
#include "coordinator/ranking_figures.h"
#include "coordinator/storage_plan.h"

namespace cf {
namespace {

/// What the figures are of, as their names begin.
const char* PrefixOf(const EvaluateOptions& options) {
  if (options.pairs.has_value()) return "test_";
  return options.training_samples ? "train_" : "val_";
}

/// The snapshot's job, which comes out of a file, perhaps of another program: it is judged before it
/// is believed.
absl::StatusOr<Job> JobOf(const Manifest& manifest, const std::string& data) {
  Job job = manifest.job();
  if (!data.empty()) job.mutable_data()->set_path(data);
  FillDefaults(job);
  if (const absl::Status valid = ValidateJob(job); !valid.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot's job is not one that can be evaluated: ", valid.message()));
  }
  if (job.train().partitions() != manifest.partitions()) {
    return absl::FailedPreconditionError(absl::StrCat("the snapshot has ", manifest.partitions(),
                                                      " partitions, and its job ",
                                                      job.train().partitions()));
  }
  return job;
}

absl::Status CheckThereAreSamples(const TrainingData& data, const EvaluateOptions& options) {
  if (options.pairs.has_value()) {
    return options.pairs->pairs.empty() ? absl::FailedPreconditionError("there is no pair to rank")
                                        : absl::OkStatus();
  }
  if (options.training_samples || data.split.validation_count() > 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      options.snapshot, " was trained without a split, so there are no validation samples"));
}

/// The name that a figure has of validation samples: "val_ndcg_10" of "train_ndcg_10" or "ndcg_10".
std::string ValidationName(const std::string& name) {
  for (const std::string prefix : {"val_", "train_", "test_"}) {
    if (name.starts_with(prefix)) return "val_" + name.substr(prefix.size());
  }
  return "val_" + name;
}

/// The figures to compute beside those of every job, which must be such as the job could ask for.
absl::StatusOr<std::vector<std::string>> OthersOf(const EvaluateOptions& options, Job job) {
  if (options.metrics.empty()) return OtherFigures(job);
  std::vector<std::string> names;
  for (const std::string& name : options.metrics) {
    const std::string of_validation = ValidationName(name);
    if (!ParseRankingMetric(of_validation).has_value() && of_validation != "val_bce") {
      return absl::InvalidArgumentError(
          absl::StrCat("there is no figure ", name,
                       ": there are top_K, recall_K, hr_K, ndcg_K, "
                       "mrr_K, coverage_K, ild_K, novelty_K, K from 1 to 1000 (docs/metrics.md)"));
    }
    names.push_back(of_validation);
  }
  job.mutable_validation()->mutable_metrics()->Assign(names.begin(), names.end());
  // Without a split there is nothing to validate on, but training samples are there.
  if (job.split().kind_case() == Split::KIND_NOT_SET) job.mutable_split()->mutable_random();
  absl::Status valid = ValidateJob(job);
  if (!valid.ok()) return valid;
  return names;
}

/// All training samples of the data.
RankedPairs TrainingPairs(const TrainingData& data) {
  RankedPairs ranked;
  ranked.pairs.reserve(data.split.training_count());
  const std::span<const std::uint64_t> offsets = data.data.user_offsets();
  for (std::uint32_t user = 0; user < data.data.users(); ++user) {
    for (std::uint64_t s = offsets[user]; s < offsets[user + 1]; ++s) {
      if (data.split.is_validation(s)) continue;
      ranked.pairs.push_back({.user = RowId{user}, .item = data.data.item_column()[s]});
    }
  }
  return ranked;
}

absl::StatusOr<Evaluation> Measure(const ExecuteCommand& execute, const Job& job,
                                   const TrainingData& data, const EvaluateOptions& options,
                                   std::span<const std::string> others) {
  if (!options.pairs.has_value()) {
    return MeasureSamples(execute, job, data, options.training_samples, others);
  }
  Evaluation evaluation = {.samples = options.pairs->pairs.size(), .split = data.split.name()};
  absl::Status added = AddOthers(execute, job, data, others, {}, "pair", evaluation);
  if (!added.ok()) return added;
  return evaluation;
}

/// The figures under the names that they have with this prefix.
Figures NamedAs(const std::string& prefix, const Figures& figures) {
  Figures named;
  for (const Figure& figure : figures) {
    named.Set(prefix + figure.name.substr(figure.name.find('_') + 1), figure.value);
  }
  return named;
}

// What is where, within the memory that may be filled.
absl::StatusOr<StoragePlan> PlanWithin(const EvaluateOptions& options, Job job,
                                       const TrainingData& data, const Placement& placement) {
  if (options.memory == 0) {
    const std::uint32_t partitions = job.train().partitions();
    return StoragePlan{.partitions = partitions, .frames = partitions};
  }
  // The budget of the training is none of ours.
  job.mutable_cluster()->set_memory_mib(0);
  job.mutable_snapshot()->set_copies_mib(0);
  job.mutable_storage()->set_memory_budget_mib(std::max<std::uint64_t>(1, options.memory >> 20));
  return PlanStorage(job, data, placement, 0, {});
}

}  // namespace

absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options) {
  absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options.snapshot);
  if (!snapshot.ok()) return snapshot.status();
  const absl::StatusOr<Job> believed = JobOf(snapshot->manifest(), options.data);
  if (!believed.ok()) return believed.status();
  const Job& job = *believed;
  const absl::StatusOr<std::vector<std::string>> others = OthersOf(options, job);
  if (!others.ok()) return others.status();
  // First, because what else is wrong with another data set is not the cause.
  const absl::StatusOr<Dataset> same = Dataset::Open(job.data().path());
  if (!same.ok()) return same.status();
  if (same->digest() != snapshot->manifest().data().digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        job.data().path(), " is not the data set that ", options.snapshot, " was trained on"));
  }
  if (absl::Status whole = same->CheckColumns(); !whole.ok()) return whole;
  absl::StatusOr<TrainingData> data = TrainingData::Open(job);
  if (!data.ok()) return data.status();
  if (absl::Status some = CheckThereAreSamples(*data, options); !some.ok()) return some;
  absl::StatusOr<Placement> placement =
      Placement::Make({.partitions = job.train().partitions(), .threads = {1}, .servers = 0});
  if (!placement.ok()) return placement.status();
  std::optional<RankedPairs> training;
  if (options.training_samples && !others->empty()) training = TrainingPairs(*data);
  const RankedPairs* pairs = options.pairs.has_value() ? &*options.pairs
                             : training.has_value()    ? &*training
                                                       : nullptr;
  const absl::StatusOr<StoragePlan> plan = PlanWithin(options, job, *data, *placement);
  if (!plan.ok()) return plan.status();
  const MakeRowStore store = StoreOf({.frames = plan->frames,
                                      .threads = 1,
                                      .directory = options.directory,
                                      .row_bytes = plan->row_bytes});
  absl::StatusOr<std::unique_ptr<Member>> member =
      Member::Open({.job = job,
                    .snapshots_folder = {},
                    .snapshot = &*snapshot,
                    .data = &*data,
                    .placement = &*placement,
                    .make_store = store,
                    .scratch_directory = options.directory,
                    .samples_on_disk = plan->samples_on_disk,
                    .trains = false,
                    .pairs = pairs});
  if (!member.ok()) return member.status();
  const ExecuteCommand execute =
      [&member](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
    absl::StatusOr<Reply> reply = (*member)->Execute(command);
    if (!reply.ok()) return reply.status();
    return std::vector<Reply>{*std::move(reply)};
  };
  absl::StatusOr<Evaluation> evaluation = Measure(execute, job, *data, options, *others);
  if (!evaluation.ok()) return evaluation.status();
  evaluation->figures = NamedAs(PrefixOf(options), evaluation->figures);
  return evaluation;
}

}  // namespace cf
