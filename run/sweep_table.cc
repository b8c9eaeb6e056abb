#include "run/sweep_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/config/loss_text.h"
#include "common/snapshot/kept_figures.h"
#include "common/snapshot/snapshot.h"
#include "common/text/numbers.h"
#include "common/text/text_table.h"
#include "run/early_stopping.h"
#include "run/finished_verdict.h"

namespace cf {
namespace {

/// The figures that every sweep has a column for, in their order.
constexpr const char* kFigures[] = {"train_loss", "train_rmse", "val_loss", "val_rmse", "val_mae"};

/// The figures of the columns: those of every sweep, then what the jobs asked for beside them.
std::vector<std::string> ColumnsOf(std::span<const SweepRow> rows) {
  std::vector<std::string> names(std::begin(kFigures), std::end(kFigures));
  for (const SweepRow& row : rows) {
    if (!row.result.has_value()) continue;
    for (const Figure& figure : row.result->figures) {
      if (IsUsual(figure.name)) continue;
      if (std::find(names.begin(), names.end(), figure.name) == names.end()) {
        names.push_back(figure.name);
      }
    }
  }
  return names;
}

std::optional<double> FigureOf(const SweepRow& row, const std::string& name) {
  return row.result.has_value() ? row.result->figures.Find(name) : std::nullopt;
}

/// The shortest text that gives the same bits when it is read.
std::string NumberText(const std::optional<double>& number) {
  if (!number.has_value()) return "";
  char text[32];  // The longest double has 24 characters.
  const std::to_chars_result end = std::to_chars(text, text + sizeof text, *number);
  return {text, end.ptr};
}

std::string ShortText(const std::optional<double>& number) {
  return number.has_value() ? FixedText(*number, 4) : "";
}

SweepRow Failed(const absl::Status& status) {
  SweepRow row;
  row.state = RunState::kFailed;
  row.text = std::string(status.message());
  return row;
}

}  // namespace

absl::StatusOr<SweepRow> LookAtJob(const SweepJob& job, const std::string& run,
                                   const std::string& data_digest) {
  const absl::StatusOr<RunView> view = ViewRun(run);
  if (absl::IsNotFound(view.status())) return SweepRow();
  if (!view.ok()) return Failed(view.status());
  SweepRow row;
  row.state = view->state;
  if (view->state == RunState::kRunning) row.text = view->holder;
  if (view->verdict.has_value() && view->state == RunState::kFailed) row.text = view->verdict->text;
  if (!view->snapshot.has_value()) return row;

  const Manifest& manifest = *view->snapshot;
  absl::Status same = CheckSameResult(manifest.job(), job.job, run);
  if (!same.ok()) return same;
  if (manifest.data().digest() != data_digest) {
    return absl::FailedPreconditionError(
        absl::StrCat(run, " was trained with data set ", manifest.data().name(), " of digest ",
                     manifest.data().digest(), ", not ", data_digest, ": choose another --run"));
  }
  if (view->state == RunState::kRunning) return row;
  const std::optional<Verdict> finished = FinishedVerdict(manifest, job.job, run);
  if (!finished.has_value()) {
    // Finished when it was to have fewer epochs.
    if (row.state == RunState::kFinished) row.state = RunState::kStopped;
    return row;
  }
  row.state = RunState::kFinished;
  row.text = finished->text;
  row.snapshot = absl::StrCat(run, "/", finished->snapshot);
  const bool best = job.job.early_stopping().restore_best() && manifest.has_best_metrics();
  row.result = FiguresOf(best ? manifest.best_metrics() : manifest.last_metrics());
  return row;
}

void AddDigest(SweepRow& row) {
  if (row.state != RunState::kFinished) return;
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(row.snapshot);
  const absl::StatusOr<std::string> digest =
      snapshot.ok() ? snapshot->Digest() : absl::StatusOr<std::string>(snapshot.status());
  if (digest.ok()) {
    row.digest = *digest;
  } else {
    row = Failed(digest.status());
  }
}

std::string DescribeJob(const Sweep& sweep, const SweepJob& job) {
  std::string text;
  for (std::size_t k = 0; k < sweep.labels.size(); ++k) {
    if (job.values[k].empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : " ", sweep.labels[k], "=", job.values[k]);
  }
  return text;
}

std::string DescribeResult(const SweepJob& job, const SweepRow& row) {
  Check(row.result.has_value(), "a finished job has a result");
  const std::string& monitor = MonitorOf(job.job);
  return absl::StrCat(monitor, " ", ShortText(row.result->figures.Find(monitor)), " at epoch ",
                      row.result->epoch);
}

absl::StatusOr<std::size_t> FindBest(const Sweep& sweep, std::span<const SweepRow> rows) {
  std::optional<std::size_t> best;
  std::optional<std::size_t> first;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    if (!rows[k].result.has_value()) continue;
    const EarlyStopping& stopping = sweep.jobs[k].job.early_stopping();
    if (!first.has_value()) first = k;
    const EarlyStopping& judged = sweep.jobs[*first].job.early_stopping();
    if (stopping.monitor() != judged.monitor() || stopping.mode() != judged.mode()) {
      return absl::FailedPreconditionError(
          "the jobs differ in early_stopping.monitor or mode, so none is the best");
    }
    const Job& other = sweep.jobs[*first].job;
    if (sweep.jobs[k].job.split().SerializeAsString() != other.split().SerializeAsString()) {
      return absl::FailedPreconditionError("the jobs differ in their split, so none is the best");
    }
    if (absl::EndsWith(stopping.monitor(), "_loss") &&
        LossText(sweep.jobs[k].job) != LossText(other)) {
      return absl::FailedPreconditionError("the jobs differ in their loss, so none is the best");
    }
    const std::optional<double> value = FigureOf(rows[k], stopping.monitor());
    if (!value.has_value() || std::isnan(*value)) continue;
    const double least = best.has_value() ? *FigureOf(rows[*best], stopping.monitor()) : 0;
    const bool better = stopping.mode() == EarlyStopping::MAX ? *value > least : *value < least;
    if (!best.has_value() || better) best = k;
  }
  if (!best.has_value()) return absl::NotFoundError("no job is finished");
  return *best;
}

std::string SweepCsv(const Sweep& sweep, std::span<const SweepRow> rows) {
  Check(rows.size() == sweep.jobs.size(), "a row for each job");
  std::vector<TextTable::Column> columns = {{.name = "job"}};
  for (const std::string& field : sweep.fields) columns.push_back({.name = field});
  columns.push_back({.name = "state"});
  columns.push_back({.name = "epoch"});
  const std::vector<std::string> figures = ColumnsOf(rows);
  for (const std::string& figure : figures) columns.push_back({.name = figure});
  columns.push_back({.name = "digest"});
  TextTable table(columns);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const std::optional<EpochFigures>& result = rows[k].result;
    std::vector<std::string> cells = {sweep.jobs[k].name};
    cells.insert(cells.end(), sweep.jobs[k].values.begin(), sweep.jobs[k].values.end());
    cells.emplace_back(NameOf(rows[k].state));
    cells.push_back(result.has_value() ? absl::StrCat(result->epoch) : "");
    for (const std::string& figure : figures) {
      cells.push_back(NumberText(FigureOf(rows[k], figure)));
    }
    cells.push_back(rows[k].digest);
    table.AddRow(cells);
  }
  return table.Format(TableFormat::kCsv);
}

std::string SweepText(const Sweep& sweep, std::span<const SweepRow> rows,
                      std::optional<std::size_t> best) {
  Check(rows.size() == sweep.jobs.size(), "a row for each job");
  std::vector<std::string> shown;  // Without a split no job has figures of validation.
  for (const std::string& figure : ColumnsOf(rows)) {
    const auto has = [&](const SweepRow& row) { return FigureOf(row, figure).has_value(); };
    if (std::any_of(rows.begin(), rows.end(), has)) shown.push_back(figure);
  }
  std::vector<TextTable::Column> columns = {{.name = "job", .right = true}};
  for (const std::string& label : sweep.labels) columns.push_back({.name = label, .right = true});
  columns.push_back({.name = "state"});
  columns.push_back({.name = "epoch", .right = true});
  for (const std::string& figure : shown) columns.push_back({.name = figure, .right = true});
  columns.push_back({.name = ""});
  TextTable table(columns);
  for (std::size_t k = 0; k < rows.size(); ++k) {
    const std::optional<EpochFigures>& result = rows[k].result;
    std::vector<std::string> cells = {absl::StrCat(k + 1)};
    cells.insert(cells.end(), sweep.jobs[k].values.begin(), sweep.jobs[k].values.end());
    cells.emplace_back(NameOf(rows[k].state));
    cells.push_back(result.has_value() ? absl::StrCat(result->epoch) : "");
    for (const std::string& figure : shown) cells.push_back(ShortText(FigureOf(rows[k], figure)));
    cells.emplace_back(best == k ? "best" : "");
    table.AddRow(cells);
  }
  return table.Format(TableFormat::kText);
}

}  // namespace cf
