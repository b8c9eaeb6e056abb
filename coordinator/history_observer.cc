#include "coordinator/history_observer.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"
#include "common/snapshot/kept_figures.h"
#include "coordinator/ranking_figures.h"

namespace cf {
namespace {

// Between two tries of a finished job.
constexpr std::chrono::milliseconds kRetryPause(200);
// Of the lines that a snapshot keeps, some hundred bytes each.
constexpr std::size_t kUnwrittenMax = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<HistoryObserver>> HistoryObserver::Open(const RunFolder& folder,
                                                                       const Job& job,
                                                                       Options options) {
  std::string remark;
  absl::StatusOr<History> history =
      History::OpenOrSetAside(folder.history_path(), OtherFigures(job), remark);
  if (!history.ok()) return history.status();
  if (!remark.empty()) options.say(remark);
  return std::unique_ptr<HistoryObserver>(
      new HistoryObserver(*std::move(history), folder.snapshots_path(), std::move(options)));
}

absl::Status HistoryObserver::Started(const JobStart& start) {
  if (start.snapshot == nullptr) return Heed(history_.Clear());
  // What of this fails is tried again at the end.
  history_.CutBackTo(start.finished_epochs).IgnoreError();
  // Epochs of another run are not this one's.
  std::error_code none;
  const std::string own = absl::StrCat(snapshots_, "/", start.snapshot->name());
  if (std::filesystem::exists(own, none)) {
    std::vector<EpochFigures> known;
    const Manifest& snapshot = *start.snapshot;
    for (const EpochMetrics& line : snapshot.unwritten_metrics()) known.push_back(FiguresOf(line));
    if (snapshot.has_best_metrics()) known.push_back(FiguresOf(snapshot.best_metrics()));
    if (snapshot.has_last_metrics()) known.push_back(FiguresOf(snapshot.last_metrics()));
    history_.Restore(known).IgnoreError();
  }
  return Heed(history_.Flush());
}

absl::Status HistoryObserver::StartMeasured(const EpochFigures& start) {
  return Heed(history_.Append(start));
}

absl::Status HistoryObserver::EpochMeasured(const FinishedEpoch& epoch) {
  return Heed(history_.Append(epoch.figures));
}

absl::Status HistoryObserver::SnapshotCut(Manifest& manifest) {
  const std::vector<EpochFigures> lines = history_.Unwritten();
  const std::size_t kept = std::min(lines.size(), kUnwrittenMax);
  for (const EpochFigures& line : std::span(lines).last(kept)) {
    *manifest.add_unwritten_metrics() = KeptOf(line);
  }
  return absl::OkStatus();
}

absl::Status HistoryObserver::Ended(Verdict& verdict) {
  absl::Status written = history_.Flush();
  const auto deadline = std::chrono::steady_clock::now() + options_.patience;
  // Of a job that goes on later, the last snapshot keeps them.
  const bool waits = !written.ok() && verdict.exit_code == kExitFinished;
  if (waits)
    options_.say(
        absl::StrCat(written.message(), "; the job has finished, and waits a moment for room"));
  while (waits && !written.ok() && !options_.stop_requested() &&
         std::chrono::steady_clock::now() < deadline) {
    const Activity::Waiting waiting(Activity::kOutside, {});
    std::this_thread::sleep_for(kRetryPause);
    written = history_.Flush();
  }
  if (written.ok()) return written;
  absl::StrAppend(&verdict.text, "; history.csv lacks lines, which the same command will add (",
                  written.message(), ")");
  return absl::OkStatus();
}

absl::Status HistoryObserver::Heed(const absl::Status& written) {
  if (!written.ok() && !std::exchange(told_, true)) {
    options_.say(
        absl::StrCat(written.message(), "; training goes on, and lines follow when they can"));
  }
  if (written.ok()) told_ = false;
  return absl::OkStatus();
}

}  // namespace cf
