#include "coordinator/history_observer.h"

#include "coordinator/ranking_figures.h"

namespace cf {

absl::StatusOr<std::unique_ptr<HistoryObserver>> HistoryObserver::Open(const RunFolder& folder,
                                                                       const Job& job) {
  absl::StatusOr<History> history = History::Open(folder.history_path(), OtherFigures(job));
  if (!history.ok()) return history.status();
  return std::unique_ptr<HistoryObserver>(new HistoryObserver(*std::move(history)));
}

absl::Status HistoryObserver::Started(const JobStart& start) {
  return start.snapshot == nullptr ? history_.Clear() : history_.CutBackTo(start.finished_epochs);
}

absl::Status HistoryObserver::StartMeasured(const EpochFigures& start) {
  return history_.Append(start);
}

absl::Status HistoryObserver::EpochMeasured(const FinishedEpoch& epoch) {
  return history_.Append(epoch.figures);
}

}  // namespace cf
