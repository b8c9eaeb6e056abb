#include "coordinator/coordinator.h"

#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/features/rating_biases.h"
#include "common/metrics/names.h"
#include "common/model/optimizer.h"
#include "coordinator/not_finite.h"
#include "coordinator/ranking_figures.h"
#include "coordinator/refused_gradients.h"
#include "coordinator/warnings.h"
#include "run/finished_verdict.h"

namespace cf {
namespace {

// How often a request to stop is looked for in the run folder: a file server does not feel it.
constexpr std::chrono::seconds kLookInterval(1);

}  // namespace

absl::StatusOr<Coordinator> Coordinator::Open(Options options) {
  absl::StatusOr<SnapshotTaker> snapshots = SnapshotTaker::Open(
      {.job = options.job,
       .generation = options.generation,
       .folder = options.folder->snapshots_path(),
       .data = options.data,
       .execute = options.execute,
       .resumed = options.snapshot != nullptr,
       .damaged = options.damaged_snapshots,
       .stop_requested = [stop = options.stop_requested, folder = options.folder] {
         return stop() || folder->StopRequested();
       }});
  if (!snapshots.ok()) return snapshots.status();
  return Coordinator(std::move(options), *std::move(snapshots));
}

Coordinator::Coordinator(Options options, SnapshotTaker snapshots)
    : options_(std::move(options)),
      snapshots_(std::move(snapshots)),
      state_(options_.job, options_.data->steps_per_epoch(options_.job)),
      plan_(options_.job, options_.segments_by_time) {
  if (options_.snapshot != nullptr) state_.Restore(options_.snapshot->manifest());
}

absl::StatusOr<Verdict> Coordinator::Run() {
  const Manifest* from = options_.snapshot == nullptr ? nullptr : &options_.snapshot->manifest();
  absl::Status told = options_.observer->Started(
      {.finished_epochs = static_cast<std::uint32_t>(state_.epoch), .snapshot = from});
  if (!told.ok()) return told;
  if (absl::Status measured = MeasureStart(); !measured.ok()) return measured;
  while (!state_.Finished() && !stopped_) {
    if (absl::Status trained = TrainEpoch(); !trained.ok()) return trained;
    if (state_.leg < state_.legs_per_epoch) break;
    if (absl::Status ended = EndEpoch(); !ended.ok()) return ended;
  }
  told = options_.observer->TrainingEnded();
  if (!told.ok()) return told;
  absl::StatusOr<Verdict> verdict = Conclude();
  if (!verdict.ok()) return verdict;
  if (told = Warn(); !told.ok()) return told;
  told = options_.observer->Ended(*verdict);
  if (!told.ok()) return told;
  return verdict;
}

absl::StatusOr<Verdict> Coordinator::Conclude() {
  if (!state_.Finished()) snapshots_.Hurry();
  if (!state_.Finished()) {
    if (absl::Status taken = TakeSnapshot(); !taken.ok()) return taken;
  }
  if (absl::Status done = FinishSnapshot(); !done.ok()) return done;
  snapshots_.Tidy();
  if (state_.Finished()) {
    const std::optional<Verdict> verdict =
        FinishedVerdict(snapshots_.ManifestOf(state_), options_.job, options_.folder->path());
    Check(verdict.has_value(), "a finished job has a verdict");
    return *verdict;
  }
  return Verdict{
      .exit_code = kExitContinue,
      .cause = options_.folder->StopRequested() ? EndCause::kRequest : EndCause::kSignal,
      .text = absl::StrCat("stopped at epoch ", state_.epoch + 1, ", step ", state_.step_in_epoch(),
                           " of ", state_.steps_per_epoch, "; the same command continues"),
      .snapshot = "snapshots/latest"};
}

absl::Status Coordinator::CheckConverging() {
  const TrainingData& data = *options_.data;
  if (!data.model->predicts_ratings() || data.split.validation_count() == 0) {
    return absl::OkStatus();
  }
  return cf::CheckConverging(
      state_.before_last, *state_.last,
      {.mean = data.statistics.mean, .deviation = data.statistics.deviation});
}

absl::Status Coordinator::Warn() {
  if (!state_.Finished() || !state_.last.has_value() || !state_.best.has_value()) {
    return absl::OkStatus();
  }
  const TrainingData& data = *options_.data;
  FinishedJob finished = {
      .job = options_.job,
      .before_last = state_.before_last,
      .last = *state_.last,
      .best = *state_.best,
      .monitor = state_.monitor,
      .smaller_is_better = options_.job.early_stopping().mode() != EarlyStopping::MAX};
  if (data.model->predicts_ratings() && data.split.validation_count() > 0) {
    const double mean = data.statistics.mean;
    const std::vector<double> items = FitItemBiases(data.data, data.split, mean);
    finished.rmse_of_biases = RmseOfBiases(data.data, data.split, mean, items, /*validation=*/true);
    finished.train_rmse_of_biases =
        RmseOfBiases(data.data, data.split, mean, items, /*validation=*/false);
  }
  for (const std::string& warning : WarningsOf(finished)) {
    if (absl::Status told = options_.observer->Warned(warning); !told.ok()) return told;
  }
  return absl::OkStatus();
}

absl::Status Coordinator::MeasureStart() {
  const Job& job = options_.job;
  const bool may_win = options_.data->model->starts_from_baseline() &&
                       job.early_stopping().restore_best() && IsOfValidation(state_.monitor) &&
                       options_.data->split.validation_count() > 0;
  if (!may_win || !state_.IsUntouched()) return absl::OkStatus();
  if (absl::Status told = options_.observer->ValidationBegan(Progress()); !told.ok()) return told;
  EpochFigures start = {.epoch = 0, .step = 0};
  const absl::StatusOr<double> penalty = MeasurePenalty(options_.execute, job.train().partitions());
  if (!penalty.ok()) return penalty.status();
  start.figures.Set("l2_penalty", *penalty);
  if (absl::Status validated = Validate(start); !validated.ok()) return validated;
  if (!state_.BeginFrom(start)) return absl::OkStatus();
  if (absl::Status told = options_.observer->StartMeasured(start); !told.ok()) return told;
  return TakeSnapshot();
}

absl::Status Coordinator::TrainEpoch() {
  train_seconds_ = 0;
  train_samples_ = 0;
  skipped_in_epoch_ = 0;
  if (absl::Status told = options_.observer->EpochBegan(Progress()); !told.ok()) return told;
  while (state_.leg < state_.legs_per_epoch) {
    if (absl::Status looked = LookAfterSnapshot(); !looked.ok()) return looked;
    const std::uint64_t step_before = state_.step();
    const std::uint64_t samples_before = train_samples_;
    absl::StatusOr<std::vector<Reply>> replies = TrainSegment(plan_.EndOfNext(state_));
    if (!replies.ok()) return replies.status();
    const double pause = snapshots_.pause().count();
    absl::Status told = options_.observer->SegmentTrained(
        {.progress = Progress(),
         .replies = *replies,
         .samples = train_samples_ - samples_before,
         .steps = state_.step() - step_before,
         .pause_seconds = pause - std::exchange(pause_at_segment_, pause)});
    if (!told.ok()) return told;
    const EpochProgress progress = Progress();
    const SnapshotTaker::Listener listener{.progress = progress, .observer = *options_.observer};
    if (told = snapshots_.Hear(*replies, state_, listener); !told.ok()) return told;
    stopped_ = StopRequested();
    if (stopped_ || state_.leg == state_.legs_per_epoch) break;
    absl::Status taken = snapshots_.TakeIfDue(step_before, state_, listener);
    if (!taken.ok()) return taken;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<Reply>> Coordinator::TrainSegment(std::uint64_t last_leg) {
  const Command command = TrainUntil(last_leg);
  const Clock::time_point begin = Clock::now();
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::StatusOr<std::vector<ObjectiveSums>> sums =
      SumsOf(*replies, options_.job.train().partitions());
  if (!sums.ok()) return sums.status();
  const std::chrono::duration<double> time = Clock::now() - begin;
  const double share_before = state_.share_of_epoch();
  if (state_.blocks.has_value()) {
    absl::StatusOr<std::vector<std::uint64_t>> legs =
        NextLegsOf(*replies, options_.job.train().partitions(), state_.legs_per_epoch);
    if (!legs.ok()) return legs.status();
    state_.SetLegs(*std::move(legs));
  } else {
    state_.leg = last_leg;
  }
  const double share = state_.share_of_epoch() - share_before;
  state_.sums = *std::move(sums);
  train_samples_ += static_cast<std::uint64_t>(
      static_cast<double>(options_.data->split.training_count()) * share);
  train_seconds_ += time.count();
  plan_.Took(share * static_cast<double>(state_.legs_per_epoch), time);
  if (absl::Status heard = HearRefused(*replies); !heard.ok()) return heard;
  if (absl::Status finite = CheckLoss(); !finite.ok()) return finite;
  return replies;
}

Command Coordinator::TrainUntil(std::uint64_t last_leg) const {
  Command command;
  TrainSteps& train = *command.mutable_train();
  train.set_epoch(state_.epoch);
  // Where partitions are not equally far, the wave goes on that began with the epoch.
  train.set_first_leg(state_.partition_legs.empty() ? state_.leg : 0);
  train.set_last_leg(last_leg);
  train.set_steps_per_epoch(state_.steps_per_epoch);
  for (const double factor : state_.PlateauFactors()) train.add_plateau_factors(factor);
  train.mutable_next_legs()->Add(state_.partition_legs.begin(), state_.partition_legs.end());
  if (const auto longest = plan_.Longest(); longest.has_value()) {
    train.set_microseconds_max(static_cast<std::uint64_t>(longest->count()));
  }
  return command;
}

absl::Status Coordinator::HearRefused(const std::vector<Reply>& replies) {
  const absl::StatusOr<RefusedInSegment> refused =
      SumOfRefused(replies, options_.job, *options_.data);
  if (!refused.ok()) return refused.status();
  if (refused->count == 0) return absl::OkStatus();
  if (options_.job.optimizer().on_bad_gradient() != Optimizer::SKIP) {
    return EndedBy(*refused, snapshots_.has_snapshot());
  }
  const bool is_first = skipped_ == 0;
  skipped_ += refused->count;
  skipped_in_epoch_ += refused->count;
  return is_first ? options_.observer->Remarked(refused->first + "; such gradients are skipped")
                  : absl::OkStatus();
}

absl::Status Coordinator::CheckLoss() {
  // The first blocks may have no samples. What was skipped may have had any loss.
  const std::optional<double> loss = TrainingFigures().Find("train_loss");
  if (!loss.has_value() || std::isfinite(*loss) || skipped_in_epoch_ > 0) return absl::OkStatus();
  if (absl::Status done = FinishSnapshot(); !done.ok()) return done;
  Command command;
  command.mutable_find_not_finite();
  command.mutable_next_legs()->Add(state_.partition_legs.begin(), state_.partition_legs.end());
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  return CheckFinite("the training loss", *replies, *options_.data, state_.step(),
                     snapshots_.has_snapshot());
}

absl::Status Coordinator::EndEpoch() {
  FinishedEpoch epoch = {.progress = Progress()};
  if (skipped_in_epoch_ > 0) {
    absl::Status told = options_.observer->Remarked(absl::StrCat(
        "epoch ", epoch.progress.epoch, ": ", skipped_in_epoch_, " gradients were skipped"));
    if (!told.ok()) return told;
  }
  if (absl::Status told = options_.observer->ValidationBegan(epoch.progress); !told.ok())
    return told;
  absl::StatusOr<EpochFigures> measured = Measure();
  if (!measured.ok()) return measured.status();
  const JobState::Judgement judgement = state_.EndEpoch(*measured);
  epoch.figures = *std::move(measured);
  epoch.is_best = judgement.is_best;
  if (judgement.stalled) {
    absl::Status told = options_.observer->Remarked(
        absl::StrFormat("%s has stalled: from epoch %d on the rate is %g times the configured one",
                        state_.plateau_monitor, state_.epoch + 1, state_.plateau_factor()));
    if (!told.ok()) return told;
  }
  if (absl::Status told = options_.observer->EpochMeasured(epoch); !told.ok()) return told;
  stopped_ = stopped_ || StopRequested();
  const bool must = epoch.is_best || stopped_ || state_.Finished();
  if (stopped_) snapshots_.Hurry();
  if (must || snapshots_.IsDueAtEpoch(state_)) {
    absl::Status taken =
        TakeSnapshot(must ? SnapshotTaker::Need::kNow : SnapshotTaker::Need::kMayWait);
    if (!taken.ok()) return taken;
  }
  if (absl::Status told = options_.observer->EpochEnded(epoch); !told.ok()) return told;
  absl::Status converging = CheckConverging();
  if (converging.ok()) return converging;
  absl::Status done = FinishSnapshot();
  return done.ok() ? converging : done;
}

absl::Status Coordinator::LookAfterSnapshot() {
  const double epochs_left =
      static_cast<double>(state_.epochs - state_.epoch) - state_.share_of_epoch();
  if (options_.waits_for_snapshot && options_.waits_for_snapshot(epochs_left)) {
    const EpochProgress progress = Progress();
    absl::Status tried =
        snapshots_.TryToFinish(state_, {.progress = progress, .observer = *options_.observer});
    if (!tried.ok()) return tried;
  }
  const bool is_new = snapshots_.commits() > commits_;
  commits_ = snapshots_.commits();
  return is_new && options_.on_snapshot ? options_.on_snapshot(epochs_left) : absl::OkStatus();
}

absl::Status Coordinator::TakeSnapshot(SnapshotTaker::Need need) {
  const EpochProgress progress = Progress();
  return snapshots_.Take(state_, {.progress = progress, .observer = *options_.observer}, need);
}

absl::Status Coordinator::FinishSnapshot() {
  const EpochProgress progress = Progress();
  return snapshots_.Finish(state_, {.progress = progress, .observer = *options_.observer});
}

absl::StatusOr<EpochFigures> Coordinator::Measure() {
  EpochFigures epoch = {.epoch = static_cast<std::uint32_t>(state_.epoch + 1),
                        .step = state_.step(),
                        .figures = TrainingFigures()};
  absl::StatusOr<double> penalty =
      MeasurePenalty(options_.execute, options_.job.train().partitions());
  if (!penalty.ok()) return penalty.status();
  epoch.figures.Set("l2_penalty", *penalty);
  if (absl::Status validated = Validate(epoch); !validated.ok()) return validated;
  OptimizerRule optimizer(options_.job.optimizer(), state_.steps_per_epoch);
  optimizer.SetPlateauFactors(state_.PlateauFactors());
  epoch.figures.Set("learning_rate", optimizer.LearningRate(state_.step() - 1));
  epoch.figures.Set("samples_per_second", Progress().samples_per_second);
  epoch.figures.Set("seconds", train_seconds_);
  epoch.figures.Set("pause_seconds", Progress().pause_seconds);
  pause_at_line_ = snapshots_.pause().count();
  return epoch;
}

absl::Status Coordinator::Validate(EpochFigures& epoch) {
  const bool due = epoch.epoch % options_.job.validation().every_epochs() == 0;
  if (!due || options_.data->split.validation_count() == 0) return absl::OkStatus();
  absl::StatusOr<Evaluation> found = MeasureSamples(options_.execute, options_.job, *options_.data,
                                                    false, OtherFigures(options_.job));
  if (!found.ok()) return found.status();
  epoch.figures.SetAll(found->figures);
  if (found->ranked.empty() || ranking_told_) return absl::OkStatus();
  ranking_told_ = true;
  return options_.observer->Remarked("ranking " + found->ranked);
}

Figures Coordinator::TrainingFigures() const {
  std::vector<std::string> names = {"train_loss"};
  const bool errors = options_.job.train().metrics() && options_.data->model->predicts_ratings();
  if (errors) names.emplace_back("train_rmse");
  return FiguresOf(state_.sums, names);
}

EpochProgress Coordinator::Progress() const {
  return {.epoch = static_cast<std::uint32_t>(state_.epoch + 1),
          .epochs = options_.job.train().epochs(),
          .step = state_.step_in_epoch(),
          .steps = state_.steps_per_epoch,
          .seconds = train_seconds_,
          .samples_per_second =
              train_seconds_ > 0 ? static_cast<double>(train_samples_) / train_seconds_ : 0,
          .pause_seconds = snapshots_.pause().count() - pause_at_line_,
          .figures = TrainingFigures(),
          .skipped_gradients = skipped_};
}

bool Coordinator::StopRequested() {
  if (options_.stop_requested()) return true;
  if (Clock::now() - looked_ < kLookInterval) return false;
  looked_ = Clock::now();
  return options_.folder->StopRequested();
}

}  // namespace cf
