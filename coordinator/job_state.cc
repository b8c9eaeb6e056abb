#include "coordinator/job_state.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "common/metrics/names.h"
#include "common/model/block_schedule.h"
#include "common/snapshot/kept_figures.h"

namespace cf {
namespace {

std::optional<PlateauRule> PlateauOf(const Job& job) {
  if (!job.optimizer().schedule().has_plateau()) return std::nullopt;
  const PlateauSchedule& plateau = job.optimizer().schedule().plateau();
  const bool same = plateau.monitor() == job.early_stopping().monitor();
  return PlateauRule(plateau, same ? job.early_stopping().mode() == EarlyStopping::MAX
                                   : LargerIsBetter(plateau.monitor()));
}

}  // namespace

JobState::JobState(const Job& job, std::uint64_t steps)
    : epochs(job.train().epochs()),
      steps_per_epoch(steps),
      blocks(BlocksOf(job, steps)),
      legs_per_epoch(blocks.has_value() ? blocks->sub_epochs() : steps),
      monitor(MonitorOf(job)),
      plateau_monitor(job.optimizer().schedule().plateau().monitor()),
      sums(job.train().partitions()),
      stopping(job.early_stopping()),
      plateau(PlateauOf(job)),
      files(job.train().partitions()) {
}

void JobState::Restore(const Manifest& manifest) {
  epoch = manifest.position().epoch();
  leg = blocks.has_value() ? manifest.position().sub_epoch() : manifest.position().step_in_epoch();
  const auto& by_partition = manifest.position().partition_sub_epochs();
  partition_legs.assign(by_partition.begin(), by_partition.end());
  stopping.Restore(StoppingStateOf(manifest));
  if (plateau.has_value() && manifest.has_plateau()) {
    const SnapshotPlateau& saved = manifest.plateau();
    plateau->Restore(
        {.factor = saved.factor(),
         .best = saved.has_best_value() ? std::optional(saved.best_value()) : std::nullopt,
         .waited = saved.waited()});
    past_plateau_factors.assign(saved.past_factors().begin(), saved.past_factors().end());
  }
  if (manifest.has_last_metrics()) last = FiguresOf(manifest.last_metrics());
  if (manifest.has_best_metrics()) best = FiguresOf(manifest.best_metrics());
  best_snapshot = manifest.best_snapshot();
  for (const FileEntry& file : manifest.files()) files[file.partition()].push_back(file);
}

void JobState::SetLegs(std::vector<std::uint64_t> by_partition) {
  leg = std::ranges::min(by_partition);
  if (std::ranges::max(by_partition) == leg) by_partition.clear();
  partition_legs = std::move(by_partition);
}

double JobState::share_of_epoch() const {
  std::uint64_t done = leg;
  std::uint64_t all = legs_per_epoch;
  if (!partition_legs.empty()) {
    done = std::accumulate(partition_legs.begin(), partition_legs.end(), std::uint64_t{0});
    all *= partition_legs.size();
  }
  return static_cast<double>(done) / static_cast<double>(all);
}

std::uint64_t JobState::step_in_epoch() const {
  if (!blocks.has_value()) return leg;
  if (partition_legs.empty()) return blocks->StepAt(leg, 0, 1);
  const std::uint64_t done =
      std::accumulate(partition_legs.begin(), partition_legs.end(), std::uint64_t{0});
  // A block is a part of its sub-epoch.
  const std::uint64_t partitions = partition_legs.size();
  return blocks->StepAt(done / partitions, done % partitions, partitions);
}

bool JobState::BeginFrom(const EpochFigures& measured) {
  const std::optional<double> monitored = measured.figures.Find(monitor);
  if (!monitored.has_value() || !stopping.ObserveStart(*monitored)) return false;
  best = measured;
  return true;
}

JobState::Judgement JobState::EndEpoch(const EpochFigures& measured) {
  Judgement judgement;
  before_last = std::exchange(last, measured);
  ++epoch;
  leg = 0;
  partition_legs.clear();
  const std::optional<double> monitored = measured.figures.Find(monitor);
  if (monitored.has_value()) {
    judgement.is_best = stopping.Observe(measured.epoch, *monitored);
  } else {
    stopping.Skip(measured.epoch);
  }
  if (judgement.is_best) {
    best = measured;
    best_snapshot.clear();  // The next one is.
  }
  if (plateau.has_value()) {
    past_plateau_factors.push_back(plateau_factor());
    const std::optional<double> figure = measured.figures.Find(plateau_monitor);
    judgement.stalled = figure.has_value() && plateau->Observe(*figure);
  }
  return judgement;
}

std::vector<double> JobState::PlateauFactors() const {
  if (!plateau.has_value()) return {};
  std::vector<double> factors = past_plateau_factors;
  factors.push_back(plateau_factor());
  return factors;
}

bool JobState::IsBestWithoutSnapshot() const {
  return best_snapshot.empty() && best.has_value() && best->epoch == epoch && !InMidEpoch();
}

void JobState::NameBestSnapshot(const std::string& name) {
  if (IsBestWithoutSnapshot()) best_snapshot = name;
}

void JobState::Save(Manifest& manifest) const {
  Position& position = *manifest.mutable_position();
  position.set_epoch(static_cast<std::uint32_t>(epoch));
  position.set_step(step());
  position.set_step_in_epoch(step_in_epoch());
  if (blocks.has_value()) position.set_sub_epoch(leg);
  position.mutable_partition_sub_epochs()->Add(partition_legs.begin(), partition_legs.end());
  position.set_steps_per_epoch(steps_per_epoch);
  position.set_finished(Finished());
  for (const std::vector<FileEntry>& chain : files) {
    for (const FileEntry& file : chain) *manifest.add_files() = file;
  }
  if (InMidEpoch()) {
    for (const ObjectiveSums& of_partition : sums) {
      PartitionSums& entry = *manifest.add_sums();
      entry.set_loss(of_partition.loss);
      entry.set_squared_error(of_partition.squared_error);
      entry.set_samples(of_partition.samples);
    }
  }
  if (const std::optional<double> start = stopping.state().start_value; start.has_value()) {
    manifest.mutable_stopping()->set_start_value(*start);
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
    for (const double factor : past_plateau_factors) {
      manifest.mutable_plateau()->add_past_factors(factor);
    }
  }
  if (last.has_value()) *manifest.mutable_last_metrics() = KeptOf(*last);
  if (best.has_value()) *manifest.mutable_best_metrics() = KeptOf(*best);
  manifest.set_best_snapshot(best_snapshot);
}

}  // namespace cf
