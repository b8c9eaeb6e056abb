#include "coordinator/job_state.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/metrics/names.h"
#include "common/rows/tables.h"

namespace cf {
namespace {

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

/// "val_rmse 0.8375".
std::string MonitoredText(const Job& job, const EpochMetrics& metrics) {
  const std::string& name = job.early_stopping().monitor();
  const std::optional<double> value = FigureOf(metrics, name);
  return value.has_value() ? absl::StrFormat("%s %.4f", name, *value)
                           : absl::StrCat(name, " not measured");
}

}  // namespace

JobState::JobState(const Job& job, std::uint64_t steps)
    : epochs(job.train().epochs()),
      steps_per_epoch(steps),
      blocks(BlocksOf(job, steps)),
      parts_per_epoch(blocks.has_value() ? blocks->sub_epochs() : steps),
      sums(job.train().partitions()),
      stopping(job.early_stopping()),
      plateau(PlateauOf(job)),
      files(job.train().partitions()) {
}

void JobState::Restore(const Manifest& manifest) {
  epoch = manifest.position().epoch();
  part = blocks.has_value() ? manifest.position().sub_epoch() : manifest.position().step_in_epoch();
  stopping.Restore(StoppingStateOf(manifest));
  if (plateau.has_value() && manifest.has_plateau()) {
    const SnapshotPlateau& saved = manifest.plateau();
    plateau->Restore(
        {.factor = saved.factor(),
         .best = saved.has_best_value() ? std::optional(saved.best_value()) : std::nullopt,
         .waited = saved.waited()});
  }
  if (manifest.has_last_metrics()) last_metrics = manifest.last_metrics();
  if (manifest.has_best_metrics()) best_metrics = manifest.best_metrics();
  best_snapshot = manifest.best_snapshot();
  for (const FileEntry& file : manifest.files()) files[file.partition()].push_back(file);
}

void JobState::Save(Manifest& manifest) const {
  Position& position = *manifest.mutable_position();
  position.set_epoch(static_cast<std::uint32_t>(epoch));
  position.set_step(step());
  position.set_step_in_epoch(step_in_epoch());
  if (blocks.has_value()) position.set_sub_epoch(part);
  position.set_steps_per_epoch(steps_per_epoch);
  position.set_finished(Finished());
  for (const std::vector<FileEntry>& chain : files) {
    for (const FileEntry& file : chain) *manifest.add_files() = file;
  }
  if (part > 0) {
    for (const ObjectiveSums& of_partition : sums) {
      PartitionSums& entry = *manifest.add_sums();
      entry.set_loss(of_partition.loss);
      entry.set_squared_error(of_partition.squared_error);
      entry.set_samples(of_partition.samples);
    }
  }
  if (stopping.state().best_epoch > 0) {
    manifest.mutable_stopping()->set_best_value(stopping.state().best_value);
    manifest.mutable_stopping()->set_best_epoch(stopping.state().best_epoch);
    manifest.mutable_stopping()->set_epochs_since_best(stopping.state().last_epoch -
                                                       stopping.state().best_epoch);
  }
  if (plateau.has_value()) {
    const PlateauState& state = plateau->state();
    manifest.mutable_plateau()->set_factor(state.factor);
    if (state.best.has_value()) manifest.mutable_plateau()->set_best_value(*state.best);
    manifest.mutable_plateau()->set_waited(state.waited);
  }
  if (last_metrics.has_value()) *manifest.mutable_last_metrics() = *last_metrics;
  if (best_metrics.has_value()) *manifest.mutable_best_metrics() = *best_metrics;
  manifest.set_best_snapshot(best_snapshot);
}

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

}  // namespace cf
