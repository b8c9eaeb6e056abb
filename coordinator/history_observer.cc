#include "coordinator/history_observer.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/snapshot/kept_figures.h"
#include "coordinator/ranking_figures.h"

namespace cf {

absl::StatusOr<std::unique_ptr<HistoryObserver>> HistoryObserver::Open(const RunFolder& folder,
                                                                       const Job& job, Say say) {
  std::string remark;
  absl::StatusOr<History> history =
      History::OpenOrSetAside(folder.history_path(), OtherFigures(job), remark);
  if (!history.ok()) return history.status();
  if (!remark.empty()) say(remark);
  return std::unique_ptr<HistoryObserver>(
      new HistoryObserver(*std::move(history), folder.snapshots_path(), std::move(say)));
}

absl::Status HistoryObserver::Started(const JobStart& start) {
  if (start.snapshot == nullptr) return Heed(history_.Clear());
  absl::Status written = history_.CutBackTo(start.finished_epochs);
  // Epochs of another run are not this one's.
  std::error_code none;
  const std::string own = absl::StrCat(snapshots_, "/", start.snapshot->name());
  if (!std::filesystem::exists(own, none)) return Heed(written);
  if (written.ok() && start.snapshot->has_best_metrics()) {
    written = history_.Restore(FiguresOf(start.snapshot->best_metrics()));
  }
  if (written.ok() && start.snapshot->has_last_metrics()) {
    written = history_.Restore(FiguresOf(start.snapshot->last_metrics()));
  }
  return Heed(written);
}

absl::Status HistoryObserver::StartMeasured(const EpochFigures& start) {
  return Heed(history_.Append(start));
}

absl::Status HistoryObserver::EpochMeasured(const FinishedEpoch& epoch) {
  return Heed(history_.Append(epoch.figures));
}

absl::Status HistoryObserver::Ended(const Verdict&) {
  told_ = false;
  return Heed(history_.Flush());
}

absl::Status HistoryObserver::Heed(const absl::Status& written) {
  if (!written.ok() && !std::exchange(told_, true)) {
    say_(absl::StrCat(written.message(), "; training goes on, and lines follow when they can"));
  }
  if (written.ok()) told_ = false;
  return absl::OkStatus();
}

}  // namespace cf
