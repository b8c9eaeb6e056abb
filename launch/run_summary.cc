#include "launch/run_summary.h"

#include <algorithm>
#include <ctime>

#include <absl/strings/ascii.h>

#include "launch/allocation.h"
#include "run/run_view.h"

namespace cf {
namespace {

void AddStatus(const RunStatus& status, double now, RunSummary& summary) {
  summary.set_epochs(status.epochs());
  *summary.mutable_hosts() = status.hosts();
  summary.set_servers(status.servers());
  summary.set_threads(status.threads());
  summary.set_monitor(status.monitor());
  *summary.mutable_warnings() = status.warnings();
  *summary.mutable_notices() = status.notices();
  summary.set_skipped_gradients(static_cast<double>(status.skipped_gradients()));
  if (status.has_batch()) {
    summary.set_batch_job(status.batch().id());
    summary.set_batch_restarts(status.batch().restarts());
  }
  if (summary.state() != NameOf(RunState::kRunning)) return;
  summary.set_snapshot_trouble(status.snapshot_trouble());
  if (status.epoch() > 0) summary.set_finished_epochs(status.epoch() - 1);
  summary.set_step_in_epoch(static_cast<double>(status.step()));
  summary.set_steps_per_epoch(static_cast<double>(status.steps_per_epoch()));
  summary.set_step(summary.finished_epochs() * summary.steps_per_epoch() + summary.step_in_epoch());
  summary.set_phase(absl::AsciiStrToLower(RunStatus::Phase_Name(status.phase())));
  summary.set_samples_per_second(status.samples_per_second());
  summary.set_seconds_left(status.seconds_left());
  summary.set_pause_seconds(status.pause_seconds());
  summary.set_silent_seconds(std::max(0.0, now - static_cast<double>(status.updated_seconds())));
}

void AddSnapshot(const Manifest& snapshot, double now, RunSummary& summary) {
  const Position& position = snapshot.position();
  summary.set_snapshot(snapshot.name());
  summary.set_snapshot_step(static_cast<double>(position.step()));
  summary.set_snapshot_age(std::max(0.0, now - static_cast<double>(snapshot.created_seconds())));
  if (summary.step() > 0) return;
  summary.set_finished_epochs(position.epoch());
  summary.set_step(static_cast<double>(position.step()));
  summary.set_step_in_epoch(static_cast<double>(position.step_in_epoch()));
  summary.set_steps_per_epoch(static_cast<double>(position.steps_per_epoch()));
  if (snapshot.has_last_metrics()) *summary.mutable_last() = snapshot.last_metrics();
  if (snapshot.has_best_metrics()) *summary.mutable_best() = snapshot.best_metrics();
}

// A batch job that is in the queue, or whose ranks are about to start, leaves no trace in the
// folder.
void AddBatch(const std::string& handle, double now, RunSummary& summary) {
  const absl::StatusOr<BatchState> batch = AskSlurm(handle);
  if (!batch.ok()) {
    // A job that Slurm has forgotten is in no state; one of which it says nothing may be in any.
    if (!absl::IsNotFound(batch.status())) summary.set_batch_state("state unknown");
    return;
  }
  summary.set_batch_state(batch->state);
  summary.set_batch_reason(batch->reason);
  summary.set_batch_restarts(batch->restarts);
  if (batch->end_seconds > 0) {
    summary.set_batch_seconds_left(std::max(0.0, static_cast<double>(batch->end_seconds) - now));
  }
  const std::string running = NameOf(RunState::kRunning);
  if (summary.state() == running || summary.state() == NameOf(RunState::kFinished)) return;
  if (batch->state == "PENDING") summary.set_state("waiting");
  if (batch->state == "RUNNING") summary.set_state("starting");
}

}  // namespace

absl::StatusOr<RunSummary> SummarizeRun(const std::string& path) {
  const absl::StatusOr<RunView> view = ViewRun(path);
  if (!view.ok()) return view.status();
  const auto now = static_cast<double>(std::time(nullptr));
  RunSummary summary;
  summary.set_path(path);
  summary.set_state(NameOf(view->state));
  summary.set_generation(static_cast<std::uint32_t>(view->generation));
  if (view->job.has_value()) summary.set_epochs(view->job->train().epochs());
  if (view->status.has_value()) {
    if (view->status->has_last_metrics()) *summary.mutable_last() = view->status->last_metrics();
    if (view->status->has_best_metrics()) *summary.mutable_best() = view->status->best_metrics();
    AddStatus(*view->status, now, summary);
  }
  if (view->snapshot.has_value()) AddSnapshot(*view->snapshot, now, summary);
  for (const std::string& line : view->notices) summary.add_notices(line);
  if (view->state == RunState::kRunning) {
    summary.set_text(view->holder);
    if (!view->status.has_value()) summary.set_state("starting");
    if (view->stop_requested) summary.set_state("stopping");
  } else if (view->verdict.has_value()) {
    summary.set_text(view->verdict->text);
    summary.set_exit_code(view->verdict->exit_code);
  }
  if (view->status.has_value() && view->status->has_batch()) {
    AddBatch(view->status->batch().handle(), now, summary);
  }
  return summary;
}

}  // namespace cf
