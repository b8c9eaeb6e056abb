#include "coordinator/status_observer.h"

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "common/snapshot/kept_figures.h"
#include "run/run_view.h"

namespace cf {
namespace {

constexpr std::chrono::seconds kWriteInterval(1);

}  // namespace

StatusObserver::StatusObserver(Options options)
    : folder_(options.folder),
      training_samples_(options.training_samples),
      now_(std::move(options.now)),
      status_(std::move(options.status)) {
  status_.set_monitor(options.monitor);
}

absl::Status StatusObserver::Started(const JobStart& start) {
  if (start.snapshot == nullptr) return absl::OkStatus();
  SetSnapshot(*start.snapshot);
  if (start.snapshot->has_last_metrics()) {
    *status_.mutable_last_metrics() = start.snapshot->last_metrics();
  }
  if (start.snapshot->has_best_metrics()) {
    *status_.mutable_best_metrics() = start.snapshot->best_metrics();
  }
  return absl::OkStatus();
}

absl::Status StatusObserver::StartMeasured(const EpochFigures& start) {
  *status_.mutable_best_metrics() = KeptOf(start);
  return absl::OkStatus();
}

absl::Status StatusObserver::EpochBegan(const EpochProgress& progress) {
  Write(RunStatus::TRAINING, progress);
  return absl::OkStatus();
}

absl::Status StatusObserver::SegmentTrained(const TrainedSegment& segment) {
  if (now_() - written_ >= kWriteInterval) Write(RunStatus::TRAINING, segment.progress);
  return absl::OkStatus();
}

absl::Status StatusObserver::ValidationBegan(const EpochProgress& progress) {
  Write(RunStatus::VALIDATING, progress);
  return absl::OkStatus();
}

absl::Status StatusObserver::EpochMeasured(const FinishedEpoch& epoch) {
  *status_.mutable_last_metrics() = KeptOf(epoch.figures);
  if (epoch.is_best) *status_.mutable_best_metrics() = status_.last_metrics();
  return absl::OkStatus();
}

absl::Status StatusObserver::SnapshotBegan(const EpochProgress& progress) {
  Write(RunStatus::SAVING, progress);
  return absl::OkStatus();
}

absl::Status StatusObserver::SnapshotCommitted(const Manifest& manifest,
                                               const EpochProgress& progress) {
  SetSnapshot(manifest);
  status_.clear_snapshot_trouble();
  Write(RunStatus::TRAINING, progress);
  return absl::OkStatus();
}

absl::Status StatusObserver::SnapshotHindered(const std::string& line) {
  status_.set_snapshot_trouble(line);
  WriteStatus(*folder_, status_).IgnoreError();
  return absl::OkStatus();
}

absl::Status StatusObserver::Warned(const std::string& line) {
  status_.add_warnings(line);
  WriteStatus(*folder_, status_).IgnoreError();
  return absl::OkStatus();
}

void StatusObserver::SetSnapshot(const Manifest& manifest) {
  status_.set_snapshot(manifest.name());
  status_.set_snapshot_seconds(manifest.created_seconds());
}

void StatusObserver::Write(RunStatus::Phase phase, const EpochProgress& progress) {
  written_ = now_();
  const bool past_the_last = progress.epoch > progress.epochs;
  status_.set_phase(phase);
  status_.set_updated_seconds(std::time(nullptr));
  status_.set_epoch(std::min(progress.epoch, progress.epochs));
  status_.set_epochs(progress.epochs);
  status_.set_step(past_the_last ? progress.steps : progress.step);
  status_.set_steps_per_epoch(progress.steps);
  status_.set_skipped_gradients(progress.skipped_gradients);
  status_.set_pause_seconds(progress.pause_seconds);
  status_.set_train_loss(progress.figures.Find("train_loss").value_or(0));
  if (const std::optional<double> rmse = progress.figures.Find("train_rmse"); rmse.has_value()) {
    status_.set_train_rmse(*rmse);
  }
  if (progress.samples_per_second > 0) {
    const std::uint64_t steps = progress.epochs * progress.steps;
    const std::uint64_t done = (progress.epoch - 1) * progress.steps + progress.step;
    const double epochs_left =
        static_cast<double>(steps - std::min(steps, done)) / static_cast<double>(progress.steps);
    status_.set_samples_per_second(progress.samples_per_second);
    status_.set_seconds_left(epochs_left * static_cast<double>(training_samples_) /
                             progress.samples_per_second);
  }
  WriteStatus(*folder_, status_).IgnoreError();
}

}  // namespace cf
