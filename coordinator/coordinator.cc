#include "coordinator/coordinator.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <absl/strings/str_join.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/config/config.h"
#include "common/rows/turns.h"
#include "common/snapshot/kept_figures.h"
#include "common/snapshot/manifest.h"
#include "coordinator/job_manifest.h"
#include "coordinator/measure.h"
#include "coordinator/ranking_figures.h"
#include "run/finished_verdict.h"
#include "run/run_view.h"

namespace cf {
namespace {

// Long enough that a round trip of control messages does not count, short enough for a person who
// wants to stop.
constexpr std::chrono::duration<double> kSegment = std::chrono::milliseconds(200);
// Steps of the first segment, before a step was measured.
constexpr std::uint64_t kFirstSegment = 4;
// How often the status is renewed and a request to stop is looked for: a file server does not feel
// it.
constexpr std::chrono::seconds kLookInterval(1);

bool ShowsTrainingErrors(const Job& job, const ModelSpec& model) {
  return job.train().metrics() && model.predicts_ratings();
}

}  // namespace

absl::StatusOr<Coordinator> Coordinator::Open(Options options) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(options.folder->snapshots_path());
  if (!store.ok()) return store.status();
  absl::StatusOr<History> history =
      History::Open(options.folder->history_path(), OtherFigures(options.job));
  if (!history.ok()) return history.status();
  Coordinator coordinator(std::move(options), *std::move(store), *std::move(history));
  absl::Status cut =
      coordinator.history_.CutBackTo(static_cast<std::uint32_t>(coordinator.state_.epoch));
  if (!cut.ok()) return cut;
  return coordinator;
}

Coordinator::Coordinator(Options options, SnapshotStore store, History history)
    : options_(std::move(options)),
      store_(std::move(store)),
      history_(std::move(history)),
      state_(options_.job, options_.data->steps_per_epoch(options_.job)),
      optimizer_(options_.job.optimizer(), state_.steps_per_epoch) {
  if (options_.snapshot == nullptr) return;
  const Manifest& manifest = options_.snapshot->manifest();
  state_.Restore(manifest);
  if (state_.plateau.has_value()) optimizer_.SetPlateauFactor(state_.plateau->state().factor);
  options_.status.set_snapshot(manifest.name());
  options_.status.set_snapshot_seconds(manifest.created_seconds());
}

absl::StatusOr<Verdict> Coordinator::Run() {
  while (!state_.Finished() && !stopped_) {
    absl::Status trained = TrainEpoch();
    if (!trained.ok()) return trained;
    if (state_.part < state_.parts_per_epoch) break;
    absl::Status ended = EndEpoch();
    if (!ended.ok()) return ended;
  }
  if (options_.profile) options_.console->Line(job_profile_.Text("this run of the job"));
  if (state_.Finished()) {
    const std::optional<Verdict> verdict =
        FinishedVerdict(MakeManifest(), options_.job, options_.folder->path());
    Check(verdict.has_value(), "a finished job has a verdict");
    options_.console->Line(verdict->text);
    return *verdict;
  }
  absl::Status taken = TakeSnapshot();
  if (!taken.ok()) return taken;
  const Verdict verdict{
      .exit_code = kExitContinue,
      .cause = options_.folder->StopRequested() ? EndCause::kRequest : EndCause::kSignal,
      .text = absl::StrCat("stopped at epoch ", state_.epoch + 1, ", step ", state_.step_in_epoch(),
                           " of ", state_.steps_per_epoch, "; the same command continues"),
      .snapshot = "snapshots/latest"};
  options_.console->Line(verdict.text);
  return verdict;
}

absl::Status Coordinator::TrainEpoch() {
  train_seconds_ = 0;
  train_samples_ = 0;
  epoch_profile_ = {};
  Tell(RunStatus::TRAINING);
  while (state_.part < state_.parts_per_epoch) {
    const std::uint64_t step_before = state_.step();
    absl::Status trained = TrainSegment(NextBoundary());
    if (!trained.ok()) return trained;
    if (StopRequested()) {
      stopped_ = true;
      return absl::OkStatus();
    }
    if (state_.part == state_.parts_per_epoch) break;
    options_.console->Progress(Progress());
    TellNowAndThen();
    const SnapshotPolicy& policy = options_.job.snapshot();
    const bool by_step = policy.every_steps() > 0 &&
                         state_.step() / policy.every_steps() > step_before / policy.every_steps();
    const bool by_time =
        policy.every_seconds() > 0 &&
        Clock::now() - snapshot_time_ >= std::chrono::seconds(policy.every_seconds());
    if (by_step || by_time) {
      absl::Status taken = TakeSnapshot();
      if (!taken.ok()) return taken;
    }
  }
  return absl::OkStatus();
}

std::uint64_t Coordinator::NextBoundary() const {
  std::uint64_t parts = kFirstSegment;
  if (seconds_per_part_ > 0) {
    parts = static_cast<std::uint64_t>(
        std::max(1.0, std::min(1e15, kSegment.count() / seconds_per_part_)));
  }
  std::uint64_t last = std::min(state_.part + parts, state_.parts_per_epoch);
  if (const std::uint64_t every = options_.job.snapshot().every_steps(); every > 0) {
    const std::uint64_t due = state_.step_in_epoch() + every - state_.step() % every;
    // With BLOCKS the first sub-epoch that ends there or later.
    const std::uint64_t part =
        state_.blocks.has_value()
            ? (due * state_.parts_per_epoch + state_.steps_per_epoch - 1) / state_.steps_per_epoch
            : due;
    last = std::min(last, part);
  }
  return NextRest(last, state_.parts_per_epoch, options_.job.train().delay());
}

absl::Status Coordinator::TrainSegment(std::uint64_t last_part) {
  Command command;
  command.mutable_train()->set_epoch(state_.epoch);
  command.mutable_train()->set_first_step(state_.part);
  command.mutable_train()->set_last_step(last_part);
  command.mutable_train()->set_steps_per_epoch(state_.steps_per_epoch);
  command.mutable_train()->set_plateau_factor(
      state_.plateau.has_value() ? state_.plateau->state().factor : 1);
  const Clock::time_point begin = Clock::now();
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::StatusOr<std::vector<ObjectiveSums>> sums =
      SumsOf(*replies, options_.job.train().partitions());
  if (!sums.ok()) return sums.status();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::uint64_t n = options_.data->split.training_count();
  const std::uint64_t parts = last_part - state_.part;
  const std::uint64_t step_before = state_.step();
  state_.part = last_part;
  const auto samples =
      static_cast<std::uint64_t>(static_cast<double>(n) * static_cast<double>(parts) /
                                 static_cast<double>(state_.parts_per_epoch));
  train_samples_ += samples;
  epoch_profile_.Add(*replies, samples, state_.step() - step_before);
  job_profile_.Add(*replies, samples, state_.step() - step_before);
  train_seconds_ += seconds;
  seconds_per_part_ = seconds / static_cast<double>(parts);
  state_.sums = *std::move(sums);
  // The first blocks may have no samples.
  const std::optional<double> loss = TrainingFigures().Find("train_loss");
  if (loss.has_value() && !std::isfinite(*loss)) return LossNotFinite();
  return absl::OkStatus();
}

absl::Status Coordinator::LossNotFinite() {
  Command command;
  command.mutable_find_not_finite();
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  return NotFinite("the training loss", *replies);
}

absl::Status Coordinator::NotFinite(const std::string& figure,
                                    const std::vector<Reply>& replies) const {
  std::vector<std::string> what;
  if (!figure.empty()) what.push_back(figure);
  const std::vector<TableSpec> tables = options_.data->Tables();
  for (const auto& [table, row] : NotFiniteRows(replies)) {
    if (table >= tables.size()) return absl::DataLossError("a row of a table that is not there");
    what.push_back(absl::StrCat("row ", row, " of table ", tables[table].shape.name));
  }
  if (what.empty()) return absl::OkStatus();
  const bool none = options_.status.snapshot().empty();
  return absl::InternalError(absl::StrCat(
      "not finite by step ", state_.step(), ": ", absl::StrJoin(what, ", "),
      "; lower the learning rate (", none ? "no snapshot yet" : "the last snapshot stays", ")"));
}

Figures Coordinator::TrainingFigures() const {
  std::vector<std::string> names = {"train_loss"};
  if (ShowsTrainingErrors(options_.job, *options_.data->model)) names.emplace_back("train_rmse");
  return FiguresOf(state_.sums, names);
}

absl::StatusOr<EpochFigures> Coordinator::Measure() {
  EpochFigures epoch = {.epoch = static_cast<std::uint32_t>(state_.epoch + 1),
                        .step = state_.step(),
                        .figures = TrainingFigures()};
  absl::StatusOr<double> penalty =
      MeasurePenalty(options_.execute, options_.job.train().partitions());
  if (!penalty.ok()) return penalty.status();
  epoch.figures.Set("l2_penalty", *penalty);
  absl::Status validated = Validate(epoch);
  if (!validated.ok()) return validated;
  epoch.figures.Set("learning_rate", optimizer_.LearningRate(state_.step() - 1));
  return epoch;
}

absl::Status Coordinator::Validate(EpochFigures& epoch) {
  const bool due = epoch.epoch % options_.job.validation().every_epochs() == 0;
  if (!due || options_.data->split.validation_count() == 0) return absl::OkStatus();
  absl::StatusOr<Evaluation> found = MeasureSamples(options_.execute, options_.job, *options_.data,
                                                    false, OtherFigures(options_.job));
  if (!found.ok()) return found.status();
  epoch.figures.SetAll(found->figures);
  if (!found->ranked.empty() && !ranking_told_) {
    options_.console->Line("ranking " + found->ranked);
    ranking_told_ = true;
  }
  return absl::OkStatus();
}

absl::Status Coordinator::EndEpoch() {
  EpochProgress progress = Progress();
  Tell(RunStatus::VALIDATING);
  absl::StatusOr<EpochFigures> measured = Measure();
  if (!measured.ok()) return measured.status();
  measured->figures.Set("samples_per_second", progress.samples_per_second);
  measured->figures.Set("seconds", train_seconds_);
  state_.last = *measured;
  ++state_.epoch;
  state_.part = 0;
  const std::optional<double> monitored = measured->figures.Find(MonitorOf(options_.job));
  if (!monitored.has_value()) state_.stopping.Skip(measured->epoch);
  const bool improved =
      monitored.has_value() && state_.stopping.Observe(measured->epoch, *monitored);
  if (improved) state_.best = *measured;
  ObservePlateau(*measured);
  absl::Status appended = history_.Append(*measured);
  if (!appended.ok()) return appended;

  stopped_ = stopped_ || StopRequested();
  if (improved) state_.best_snapshot.clear();  // The next snapshot is the best.
  if (SnapshotIsDue(improved)) {
    absl::Status taken = TakeSnapshot();
    if (!taken.ok()) return taken;
  }
  options_.console->EpochDone(progress, ValidationOf(measured->figures), improved);
  if (options_.profile)
    options_.console->LogOnly(epoch_profile_.Text(absl::StrCat("epoch ", state_.epoch)));
  return absl::OkStatus();
}

void Coordinator::ObservePlateau(const EpochFigures& epoch) {
  if (!state_.plateau.has_value()) return;
  const std::string& monitor = options_.job.optimizer().schedule().plateau().monitor();
  const std::optional<double> figure = epoch.figures.Find(monitor);
  if (!figure.has_value() || !state_.plateau->Observe(*figure)) return;
  optimizer_.SetPlateauFactor(state_.plateau->state().factor);
  options_.console->Line(
      absl::StrFormat("%s has stalled: from epoch %d on the rate is %g times the "
                      "configured one",
                      monitor, epoch.epoch + 1, state_.plateau->state().factor));
}

bool Coordinator::SnapshotIsDue(bool improved) const {
  const std::uint32_t every = options_.job.snapshot().every_epochs();
  return improved || stopped_ || state_.Finished() || (every > 0 && state_.epoch % every == 0);
}

absl::Status Coordinator::TakeSnapshot() {
  if (snapshot_step_ == state_.step()) return absl::OkStatus();
  Tell(RunStatus::SAVING);
  Command command;
  command.mutable_write()->set_step(state_.step());
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::Status finite = NotFinite("", *replies);
  if (!finite.ok()) return finite;
  for (const Reply& reply : *replies) {
    for (const FileEntry& file : reply.files()) {
      if (file.partition() >= state_.files.size())
        return absl::DataLossError("a file of a partition that is not there");
      std::vector<FileEntry>& chain = state_.files[file.partition()];
      if (file.kind() == BASE) chain.clear();
      chain.push_back(file);
    }
  }
  const std::string name = SnapshotName({options_.generation, state_.step()});
  if (state_.best_snapshot.empty() && state_.best.has_value() &&
      state_.best->epoch == state_.epoch && state_.part == 0) {
    state_.best_snapshot = name;
  }
  const Manifest manifest = MakeManifest();
  absl::Status committed = store_.Commit(manifest);
  if (!committed.ok()) return Because(committed, "committing a snapshot");
  Command tell;
  tell.mutable_committed();
  if (absl::Status told = options_.execute(tell).status(); !told.ok()) return told;
  options_.status.set_snapshot(name);
  options_.status.set_snapshot_seconds(manifest.created_seconds());
  Tell(RunStatus::TRAINING);
  snapshot_step_ = state_.step();
  snapshot_time_ = Clock::now();
  CollectOptions collect{.keep = std::max<std::size_t>(1, options_.job.snapshot().keep()),
                         .generation = options_.generation,
                         .also_keep = {}};
  absl::Status collected = store_.Collect(collect);
  // What cannot be collected only takes room.
  if (!collected.ok())
    options_.console->Line(std::string(Because(collected, "collecting old snapshots").message()));
  return absl::OkStatus();
}

Manifest Coordinator::MakeManifest() const {
  Manifest manifest = JobManifest(options_.job, *options_.data);
  manifest.set_name(SnapshotName({options_.generation, state_.step()}));
  manifest.set_generation(options_.generation);
  manifest.set_created_seconds(std::time(nullptr));
  state_.Save(manifest);
  return manifest;
}

bool Coordinator::StopRequested() {
  if (options_.stop_requested()) return true;
  if (Clock::now() - looked_ < kLookInterval) return false;
  looked_ = Clock::now();
  return options_.folder->StopRequested();
}

void Coordinator::TellNowAndThen() {
  if (Clock::now() - told_ >= kLookInterval) Tell(RunStatus::TRAINING);
}

void Coordinator::Tell(RunStatus::Phase phase) {
  told_ = Clock::now();
  RunStatus& status = options_.status;
  const EpochProgress progress = Progress();
  status.set_phase(phase);
  status.set_updated_seconds(std::time(nullptr));
  status.set_epoch(std::min(progress.epoch, progress.epochs));
  status.set_epochs(progress.epochs);
  status.set_step(progress.epoch > progress.epochs ? progress.steps : progress.step);
  status.set_steps_per_epoch(progress.steps);
  status.set_train_loss(progress.figures.Find("train_loss").value_or(0));
  if (const std::optional<double> rmse = progress.figures.Find("train_rmse"); rmse.has_value()) {
    status.set_train_rmse(*rmse);
  }
  if (progress.samples_per_second > 0) {
    status.set_samples_per_second(progress.samples_per_second);
    const std::uint64_t steps = options_.job.train().epochs() * state_.steps_per_epoch;
    const double samples_left = static_cast<double>(steps - std::min(steps, state_.step())) /
                                static_cast<double>(state_.steps_per_epoch) *
                                static_cast<double>(options_.data->split.training_count());
    status.set_seconds_left(samples_left / progress.samples_per_second);
  }
  status.set_monitor(MonitorOf(options_.job));
  if (state_.last.has_value()) *status.mutable_last_metrics() = KeptOf(*state_.last);
  if (state_.best.has_value()) *status.mutable_best_metrics() = KeptOf(*state_.best);
  // Nothing is decided by it: a disk that is full shows with the next snapshot.
  WriteStatus(*options_.folder, status).IgnoreError();
}

EpochProgress Coordinator::Progress() const {
  return {.epoch = static_cast<std::uint32_t>(state_.epoch + 1),
          .epochs = options_.job.train().epochs(),
          .step = state_.step_in_epoch(),
          .steps = state_.steps_per_epoch,
          .seconds = train_seconds_,
          .samples_per_second =
              train_seconds_ > 0 ? static_cast<double>(train_samples_) / train_seconds_ : 0,
          .figures = TrainingFigures()};
}

}  // namespace cf
