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
#include "common/snapshot/manifest.h"
#include "coordinator/job_manifest.h"
#include "coordinator/measure.h"
#include "coordinator/ranking_figures.h"
#include "coordinator/run_view.h"

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

bool ShowsTrainingErrors(const Job& job) {
  return job.train().metrics() && PredictsRatings(job);
}

StoppingState StoppingStateOf(const Manifest& manifest) {
  StoppingState state;
  state.last_epoch = manifest.position().epoch();
  if (manifest.stopping().has_best_value()) {
    state.best_value = manifest.stopping().best_value();
    state.best_epoch = manifest.stopping().best_epoch();
  }
  return state;
}

std::optional<PlateauRule> PlateauOf(const Job& job) {
  if (!job.optimizer().schedule().has_plateau()) return std::nullopt;
  const PlateauSchedule& plateau = job.optimizer().schedule().plateau();
  const bool same = plateau.monitor() == job.early_stopping().monitor();
  return PlateauRule(plateau, same ? job.early_stopping().mode() == EarlyStopping::MAX
                                   : LargerIsBetter(plateau.monitor()));
}

/// The figures of validation, in the order in which people read them.
std::vector<NamedFigure> ValidationOf(const EpochMetrics& metrics) {
  const HistoryRow row = RowOf(metrics);
  std::vector<NamedFigure> figures;
  for (const char* name : {"val_loss", "val_rmse", "val_mae"}) {
    const std::optional<double> value = FigureOf(row, name);
    if (value.has_value()) figures.push_back({.name = name, .value = *value});
  }
  figures.insert(figures.end(), row.others.begin(), row.others.end());
  return figures;
}

/// "val_rmse 0.8375".
std::string MonitoredText(const Job& job, const EpochMetrics& metrics) {
  const std::string& name = job.early_stopping().monitor();
  const std::optional<double> value = FigureOf(metrics, name);
  return value.has_value() ? absl::StrFormat("%s %.4f", name, *value)
                           : absl::StrCat(name, " not measured");
}

}  // namespace

std::optional<Verdict> FinishedVerdict(const Manifest& last, const Job& job,
                                       const std::string& folder) {
  StoppingRule stopping(job.early_stopping());
  stopping.Restore(StoppingStateOf(last));
  const bool ended = last.position().epoch() >= job.train().epochs() || stopping.ShouldStop();
  if (!ended || InMidEpoch(last.position())) return std::nullopt;
  const bool best = job.early_stopping().restore_best() && last.has_best_metrics();
  const EpochMetrics& result = best ? last.best_metrics() : last.last_metrics();
  const std::string snapshot = best ? "snapshots/best" : "snapshots/latest";
  return Verdict{
      .exit_code = kExitFinished,
      .cause = EndCause::kFinished,
      .text = absl::StrFormat("%s epoch %d: %s -> %s/%s", best ? "best" : "last", result.epoch(),
                              MonitoredText(job, result), folder, snapshot),
      .snapshot = snapshot};
}

absl::StatusOr<Coordinator> Coordinator::Open(Options options) {
  absl::StatusOr<SnapshotStore> store = SnapshotStore::Open(options.folder->snapshots_path());
  if (!store.ok()) return store.status();
  absl::StatusOr<History> history =
      History::Open(options.folder->history_path(), OtherFigures(options.job));
  if (!history.ok()) return history.status();
  Coordinator coordinator(std::move(options), *std::move(store), *std::move(history));
  absl::Status cut = coordinator.history_.CutBackTo(static_cast<std::uint32_t>(coordinator.epoch_));
  if (!cut.ok()) return cut;
  return coordinator;
}

Coordinator::Coordinator(Options options, SnapshotStore store, History history)
    : options_(std::move(options)),
      store_(std::move(store)),
      history_(std::move(history)),
      stopping_(options_.job.early_stopping()),
      plateau_(PlateauOf(options_.job)),
      optimizer_(options_.job.optimizer(), options_.data->steps_per_epoch(options_.job)),
      steps_per_epoch_(options_.data->steps_per_epoch(options_.job)),
      blocks_(BlocksOf(options_.job, steps_per_epoch_)),
      parts_per_epoch_(blocks_.has_value() ? blocks_->sub_epochs() : steps_per_epoch_),
      sums_(options_.job.train().partitions()),
      files_(options_.job.train().partitions()) {
  if (options_.snapshot != nullptr) Restore(options_.snapshot->manifest());
}

void Coordinator::Restore(const Manifest& manifest) {
  epoch_ = manifest.position().epoch();
  part_ =
      blocks_.has_value() ? manifest.position().sub_epoch() : manifest.position().step_in_epoch();
  stopping_.Restore(StoppingStateOf(manifest));
  if (plateau_.has_value() && manifest.has_plateau()) {
    const SnapshotPlateau& saved = manifest.plateau();
    plateau_->Restore(
        {.factor = saved.factor(),
         .best = saved.has_best_value() ? std::optional(saved.best_value()) : std::nullopt,
         .waited = saved.waited()});
    optimizer_.SetPlateauFactor(saved.factor());
  }
  if (manifest.has_last_metrics()) last_metrics_ = manifest.last_metrics();
  if (manifest.has_best_metrics()) best_metrics_ = manifest.best_metrics();
  options_.status.set_snapshot(manifest.name());
  options_.status.set_snapshot_seconds(manifest.created_seconds());
  best_snapshot_ = manifest.best_snapshot();
  for (const FileEntry& file : manifest.files()) files_[file.partition()].push_back(file);
}

bool Coordinator::Finished() const {
  return epoch_ >= options_.job.train().epochs() || stopping_.ShouldStop();
}

absl::StatusOr<Verdict> Coordinator::Run() {
  while (!Finished() && !stopped_) {
    absl::Status trained = TrainEpoch();
    if (!trained.ok()) return trained;
    if (part_ < parts_per_epoch_) break;
    absl::Status ended = EndEpoch();
    if (!ended.ok()) return ended;
  }
  if (options_.profile) options_.console->Line(job_profile_.Text("this run of the job"));
  if (Finished()) {
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
      .text = absl::StrCat("stopped at epoch ", epoch_ + 1, ", step ", step_in_epoch(), " of ",
                           steps_per_epoch_, "; the same command continues"),
      .snapshot = "snapshots/latest"};
  options_.console->Line(verdict.text);
  return verdict;
}

absl::Status Coordinator::TrainEpoch() {
  train_seconds_ = 0;
  train_samples_ = 0;
  epoch_profile_ = {};
  Tell(RunStatus::TRAINING);
  while (part_ < parts_per_epoch_) {
    const std::uint64_t step_before = step();
    absl::Status trained = TrainSegment(NextBoundary());
    if (!trained.ok()) return trained;
    if (StopRequested()) {
      stopped_ = true;
      return absl::OkStatus();
    }
    if (part_ == parts_per_epoch_) break;
    options_.console->Progress(Progress());
    TellNowAndThen();
    const SnapshotPolicy& policy = options_.job.snapshot();
    const bool by_step = policy.every_steps() > 0 &&
                         step() / policy.every_steps() > step_before / policy.every_steps();
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
  std::uint64_t last = std::min(part_ + parts, parts_per_epoch_);
  if (const std::uint64_t every = options_.job.snapshot().every_steps(); every > 0) {
    const std::uint64_t due = step_in_epoch() + every - step() % every;
    // With BLOCKS the first sub-epoch that ends there or later.
    const std::uint64_t part =
        blocks_.has_value() ? (due * parts_per_epoch_ + steps_per_epoch_ - 1) / steps_per_epoch_
                            : due;
    last = std::min(last, part);
  }
  return NextRest(last, parts_per_epoch_, options_.job.train().delay());
}

absl::Status Coordinator::TrainSegment(std::uint64_t last_part) {
  Command command;
  command.mutable_train()->set_epoch(epoch_);
  command.mutable_train()->set_first_step(part_);
  command.mutable_train()->set_last_step(last_part);
  command.mutable_train()->set_steps_per_epoch(steps_per_epoch_);
  command.mutable_train()->set_plateau_factor(plateau_.has_value() ? plateau_->state().factor : 1);
  const Clock::time_point begin = Clock::now();
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::StatusOr<std::vector<ObjectiveSums>> sums =
      SumsOf(*replies, options_.job.train().partitions());
  if (!sums.ok()) return sums.status();
  const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  const std::uint64_t n = options_.data->split.training_count();
  const std::uint64_t parts = last_part - part_;
  const std::uint64_t step_before = step();
  part_ = last_part;
  const auto samples = static_cast<std::uint64_t>(
      static_cast<double>(n) * static_cast<double>(parts) / static_cast<double>(parts_per_epoch_));
  train_samples_ += samples;
  epoch_profile_.Add(*replies, samples, step() - step_before);
  job_profile_.Add(*replies, samples, step() - step_before);
  train_seconds_ += seconds;
  seconds_per_part_ = seconds / static_cast<double>(parts);
  sums_ = *std::move(sums);
  // The first blocks may have no samples.
  const Figures figures = FiguresOf(sums_);
  if (figures.samples > 0 && !std::isfinite(figures.loss)) {
    return LossNotFinite();
  }
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
  const std::vector<TableSpec> tables = options_.data->TablesFor(options_.job);
  for (const auto& [table, row] : NotFiniteRows(replies)) {
    if (table >= tables.size()) return absl::DataLossError("a row of a table that is not there");
    what.push_back(absl::StrCat("row ", row, " of table ", tables[table].shape.name));
  }
  if (what.empty()) return absl::OkStatus();
  const bool none = options_.status.snapshot().empty();
  return absl::InternalError(absl::StrCat(
      "not finite by step ", step(), ": ", absl::StrJoin(what, ", "), "; lower the learning rate (",
      none ? "no snapshot yet" : "the last snapshot stays", ")"));
}

absl::StatusOr<EpochMetrics> Coordinator::Measure() {
  EpochMetrics metrics;
  metrics.set_epoch(static_cast<std::uint32_t>(epoch_ + 1));
  metrics.set_step(step());
  const Figures train = FiguresOf(sums_);
  metrics.set_train_loss(train.loss);
  if (ShowsTrainingErrors(options_.job)) metrics.set_train_rmse(train.rmse);
  metrics.set_learning_rate(optimizer_.LearningRate(step() - 1));

  absl::StatusOr<double> penalty =
      MeasurePenalty(options_.execute, options_.job.train().partitions());
  if (!penalty.ok()) return penalty.status();
  metrics.set_l2_penalty(*penalty);

  absl::Status validated = Validate(metrics);
  if (!validated.ok()) return validated;
  return metrics;
}

absl::Status Coordinator::Validate(EpochMetrics& metrics) {
  const bool due = metrics.epoch() % options_.job.validation().every_epochs() == 0;
  if (!due || options_.data->split.validation_count() == 0) return absl::OkStatus();
  absl::StatusOr<Measured> measured = MeasureSamples(options_.execute, options_.job, *options_.data,
                                                     false, OtherFigures(options_.job));
  if (!measured.ok()) return measured.status();
  metrics.set_val_loss(measured->figures.loss);
  if (PredictsRatings(options_.job)) {
    metrics.set_val_rmse(measured->figures.rmse);
    metrics.set_val_mae(measured->figures.mae);
  }
  for (const NamedFigure& other : measured->others) {
    MetricFigure& figure = *metrics.add_figures();
    figure.set_name(other.name);
    figure.set_value(other.value);
  }
  if (!measured->ranked.empty() && !ranking_told_) {
    options_.console->Line("ranking " + measured->ranked);
    ranking_told_ = true;
  }
  return absl::OkStatus();
}

absl::Status Coordinator::EndEpoch() {
  EpochProgress progress = Progress();
  Tell(RunStatus::VALIDATING);
  absl::StatusOr<EpochMetrics> metrics = Measure();
  if (!metrics.ok()) return metrics.status();
  last_metrics_ = *metrics;
  ++epoch_;
  part_ = 0;
  const std::optional<double> monitored =
      FigureOf(*metrics, options_.job.early_stopping().monitor());
  if (!monitored.has_value()) stopping_.Skip(metrics->epoch());
  const bool improved = monitored.has_value() && stopping_.Observe(metrics->epoch(), *monitored);
  if (improved) best_metrics_ = *metrics;
  ObservePlateau(*metrics);
  HistoryRow row = RowOf(*metrics);
  row.samples_per_second = progress.samples_per_second;
  row.seconds = train_seconds_;
  absl::Status appended = history_.Append(row);
  if (!appended.ok()) return appended;

  stopped_ = stopped_ || StopRequested();
  if (improved) best_snapshot_.clear();  // The next snapshot is the best.
  if (SnapshotIsDue(improved)) {
    absl::Status taken = TakeSnapshot();
    if (!taken.ok()) return taken;
  }
  options_.console->EpochDone(progress, ValidationOf(*metrics), improved);
  if (options_.profile)
    options_.console->LogOnly(epoch_profile_.Text(absl::StrCat("epoch ", epoch_)));
  return absl::OkStatus();
}

void Coordinator::ObservePlateau(const EpochMetrics& metrics) {
  if (!plateau_.has_value()) return;
  const std::string& monitor = options_.job.optimizer().schedule().plateau().monitor();
  const std::optional<double> figure = FigureOf(metrics, monitor);
  if (!figure.has_value() || !plateau_->Observe(*figure)) return;
  optimizer_.SetPlateauFactor(plateau_->state().factor);
  options_.console->Line(
      absl::StrFormat("%s has stalled: from epoch %d on the rate is %g times the "
                      "configured one",
                      monitor, metrics.epoch() + 1, plateau_->state().factor));
}

bool Coordinator::SnapshotIsDue(bool improved) const {
  const std::uint32_t every = options_.job.snapshot().every_epochs();
  return improved || stopped_ || Finished() || (every > 0 && epoch_ % every == 0);
}

absl::Status Coordinator::TakeSnapshot() {
  if (snapshot_step_ == step()) return absl::OkStatus();
  Tell(RunStatus::SAVING);
  Command command;
  command.mutable_write()->set_step(step());
  absl::StatusOr<std::vector<Reply>> replies = options_.execute(command);
  if (!replies.ok()) return replies.status();
  absl::Status finite = NotFinite("", *replies);
  if (!finite.ok()) return finite;
  for (const Reply& reply : *replies) {
    for (const FileEntry& file : reply.files()) {
      if (file.partition() >= files_.size())
        return absl::DataLossError("a file of a partition that is not there");
      std::vector<FileEntry>& chain = files_[file.partition()];
      if (file.kind() == BASE) chain.clear();
      chain.push_back(file);
    }
  }
  const std::string name = SnapshotName({options_.generation, step()});
  if (best_snapshot_.empty() && best_metrics_.has_value() && best_metrics_->epoch() == epoch_ &&
      part_ == 0) {
    best_snapshot_ = name;
  }
  const Manifest manifest = MakeManifest();
  absl::Status committed = store_.Commit(manifest);
  if (!committed.ok()) return Because(committed, "committing a snapshot");
  options_.status.set_snapshot(name);
  options_.status.set_snapshot_seconds(manifest.created_seconds());
  Tell(RunStatus::TRAINING);
  snapshot_step_ = step();
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
  manifest.set_name(SnapshotName({options_.generation, step()}));
  manifest.set_generation(options_.generation);
  manifest.set_created_seconds(std::time(nullptr));
  Position& position = *manifest.mutable_position();
  position.set_epoch(static_cast<std::uint32_t>(epoch_));
  position.set_step(step());
  position.set_step_in_epoch(step_in_epoch());
  if (blocks_.has_value()) position.set_sub_epoch(part_);
  position.set_steps_per_epoch(steps_per_epoch_);
  position.set_finished(Finished());
  for (const std::vector<FileEntry>& chain : files_) {
    for (const FileEntry& file : chain) *manifest.add_files() = file;
  }
  if (part_ > 0) {
    for (const ObjectiveSums& sums : sums_) {
      PartitionSums& entry = *manifest.add_sums();
      entry.set_loss(sums.loss);
      entry.set_squared_error(sums.squared_error);
      entry.set_samples(sums.samples);
    }
  }
  if (stopping_.state().best_epoch > 0) {
    manifest.mutable_stopping()->set_best_value(stopping_.state().best_value);
    manifest.mutable_stopping()->set_best_epoch(stopping_.state().best_epoch);
    manifest.mutable_stopping()->set_epochs_since_best(stopping_.state().last_epoch -
                                                       stopping_.state().best_epoch);
  }
  if (plateau_.has_value()) {
    const PlateauState& state = plateau_->state();
    manifest.mutable_plateau()->set_factor(state.factor);
    if (state.best.has_value()) manifest.mutable_plateau()->set_best_value(*state.best);
    manifest.mutable_plateau()->set_waited(state.waited);
  }
  if (last_metrics_.has_value()) *manifest.mutable_last_metrics() = *last_metrics_;
  if (best_metrics_.has_value()) *manifest.mutable_best_metrics() = *best_metrics_;
  manifest.set_best_snapshot(best_snapshot_);
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
  status.set_train_loss(progress.loss);
  if (progress.rmse.has_value()) status.set_train_rmse(*progress.rmse);
  if (progress.samples_per_second > 0) {
    status.set_samples_per_second(progress.samples_per_second);
    const std::uint64_t steps = options_.job.train().epochs() * steps_per_epoch_;
    const double samples_left = static_cast<double>(steps - std::min(steps, step())) /
                                static_cast<double>(steps_per_epoch_) *
                                static_cast<double>(options_.data->split.training_count());
    status.set_seconds_left(samples_left / progress.samples_per_second);
  }
  status.set_monitor(options_.job.early_stopping().monitor());
  if (last_metrics_.has_value()) *status.mutable_last_metrics() = *last_metrics_;
  if (best_metrics_.has_value()) *status.mutable_best_metrics() = *best_metrics_;
  // Nothing is decided by it: a disk that is full shows with the next snapshot.
  WriteStatus(*options_.folder, status).IgnoreError();
}

EpochProgress Coordinator::Progress() const {
  const Figures figures = FiguresOf(sums_);
  return {.epoch = static_cast<std::uint32_t>(epoch_ + 1),
          .epochs = options_.job.train().epochs(),
          .step = step_in_epoch(),
          .steps = steps_per_epoch_,
          .seconds = train_seconds_,
          .samples_per_second =
              train_seconds_ > 0 ? static_cast<double>(train_samples_) / train_seconds_ : 0,
          .loss = figures.samples > 0 ? figures.loss : 0,
          .rmse = ShowsTrainingErrors(options_.job) ? std::optional(figures.rmse) : std::nullopt};
}

}  // namespace cf
