#include "coordinator/trial.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "common/base/memory_figures.h"
#include "common/dataset/writer.h"
#include "coordinator/job_state.h"
#include "coordinator/measure.h"
#include "coordinator/member.h"
#include "coordinator/ranking_figures.h"
#include "coordinator/storage_plan.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Trains legs of the first epoch, one after the other, and keeps the time.
///
/// Owner:   RunTrial.
/// Threads: one, which is the member's first.
/// Bounds:  an epoch.
class TrialTraining {
 public:
  TrialTraining(Member& member, const Job& job, std::uint64_t steps_per_epoch)
      : member_(member), state_(job, steps_per_epoch) {}

  std::uint64_t legs() const { return state_.legs_per_epoch; }
  bool ended() const { return state_.leg == state_.legs_per_epoch; }

  /// The seconds that the next `legs` legs took.
  absl::StatusOr<double> Train(std::uint64_t legs) {
    Command command;
    command.mutable_train()->set_first_leg(state_.leg);
    state_.leg = std::min(state_.leg + legs, state_.legs_per_epoch);
    command.mutable_train()->set_last_leg(state_.leg);
    command.mutable_train()->set_steps_per_epoch(state_.steps_per_epoch);
    for (const double factor : state_.PlateauFactors()) {
      command.mutable_train()->add_plateau_factors(factor);
    }
    const Clock::time_point begin = Clock::now();
    const absl::StatusOr<Reply> reply = member_.Execute(command);
    if (!reply.ok()) return reply.status();
    return SecondsSince(begin);
  }

 private:
  Member& member_;
  JobState state_;
};

absl::Status MeasureTraining(TrialTraining& training, double seconds_max, TrialFigures& figures) {
  const absl::StatusOr<double> first = training.Train(1);
  if (!first.ok()) return first.status();
  // The second leg finds what the first has set up.
  double seconds = 0;
  std::uint64_t trained = 0;
  std::uint64_t next = 1;
  while (!training.ended() && seconds < seconds_max) {
    const absl::StatusOr<double> took = training.Train(next);
    if (!took.ok()) return took.status();
    seconds += *took;
    trained += next;
    next *= 2;
  }
  // The last command may have had fewer legs than it was given.
  trained = std::min(trained, training.legs() - 1);
  if (trained == 0) {
    seconds = *first;
    trained = 1;
  }
  const double per_leg = seconds / static_cast<double>(trained);
  const double samples_of_leg =
      static_cast<double>(figures.training_samples) / static_cast<double>(training.legs());
  figures.samples_per_second = samples_of_leg / per_leg;
  figures.epoch_begin_seconds = std::max(0.0, *first - per_leg);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TrialFigures> RunTrial(Job job, const TrainingData& data,
                                      const TrialOptions& options) {
  job.mutable_storage()->set_memory_budget_mib(0);
  job.mutable_cluster()->set_memory_mib(0);
  job.mutable_cluster()->set_servers(0);
  job.mutable_snapshot()->set_copies_mib(0);  // No snapshot is written.
  absl::StatusOr<Placement> placement = Placement::Make(
      {.partitions = job.train().partitions(), .threads = {options.threads}, .servers = 0});
  if (!placement.ok()) return placement.status();
  const absl::StatusOr<StoragePlan> plan = PlanStorage(job, data, *placement, 0, {});
  if (!plan.ok()) return plan.status();

  TrialFigures figures = {.training_samples = data.split.training_count(),
                          .validation_samples = data.split.validation_count()};
  const std::uint64_t before = ProcessMemory();
  absl::StatusOr<std::unique_ptr<Member>> member =
      Member::Open({.job = job, .snapshots_folder = {}, .data = &data, .placement = &*placement});
  if (!member.ok()) return member.status();
  TrialTraining training(**member, job, data.steps_per_epoch(job));
  if (absl::Status trained = MeasureTraining(training, options.seconds, figures); !trained.ok()) {
    return trained;
  }
  const ExecuteCommand execute =
      [&member](const Command& command) -> absl::StatusOr<std::vector<Reply>> {
    absl::StatusOr<Reply> reply = (*member)->Execute(command);
    if (!reply.ok()) return reply.status();
    return std::vector<Reply>{*std::move(reply)};
  };
  Clock::time_point begin = Clock::now();
  const absl::StatusOr<double> penalty = MeasurePenalty(execute, job.train().partitions());
  if (!penalty.ok()) return penalty.status();
  figures.penalty_seconds = SecondsSince(begin);
  if (figures.validation_samples > 0) {
    begin = Clock::now();
    const absl::StatusOr<Evaluation> validated =
        MeasureSamples(execute, job, data, /*training_samples=*/false, OtherFigures(job));
    if (!validated.ok()) return validated.status();
    figures.validation_seconds = SecondsSince(begin);
  }
  figures.other_memory = static_cast<std::int64_t>(ProcessMemoryPeak()) -
                         static_cast<std::int64_t>(before + plan->memory);
  return figures;
}

absl::Status WriteThinned(const Dataset& data, std::uint32_t every, const std::string& folder) {
  absl::StatusOr<DatasetWriter> writer =
      DatasetWriter::Create({.folder = folder,
                             .name = data.name(),
                             .has_ratings = data.has_ratings(),
                             .has_timestamps = !data.timestamps().empty(),
                             .has_validation = !data.given_validation().empty()});
  if (!writer.ok()) return writer.status();
  SampleChunk chunks[2];  // Of training and of given validation samples.
  chunks[1].validation = true;
  std::vector<std::int64_t> users;
  for (std::uint32_t user = 0; user < data.users(); user += every) {
    for (std::uint64_t s = data.user_offsets()[user]; s < data.user_offsets()[user + 1]; ++s) {
      const bool validation =
          !data.given_validation().empty() && (data.given_validation()[s / 64] >> s % 64 & 1) != 0;
      SampleChunk& chunk = chunks[validation ? 1 : 0];
      chunk.users.push_back(static_cast<std::uint32_t>(users.size()));
      chunk.items.push_back(static_cast<std::uint32_t>(data.item_column()[s]));
      if (data.has_ratings()) chunk.ratings.push_back(data.ratings()[s]);
      if (!data.timestamps().empty()) chunk.timestamps.push_back(data.timestamps()[s]);
    }
    users.push_back(user);
  }
  for (SampleChunk& chunk : chunks) {
    if (!chunk.users.empty()) writer->Append(std::move(chunk));
  }
  std::vector<std::int64_t> items(data.items());
  std::vector<ItemText> texts(data.items());
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    items[item] = item;
    texts[item].genres = data.genres(RowId{item});
  }
  writer->SetUsers(Vocabulary(std::move(users)));
  writer->SetItems(Vocabulary(std::move(items)));
  if (data.has_titles()) writer->SetItemTexts(std::move(texts));
  return writer->Finish().status();
}

}  // namespace cf
