#pragma once

#include <memory>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "coordinator/job_observer.h"
#include "run/history.h"
#include "run/run_folder.h"

namespace cf {

/// Keeps the history of a run: a line for each epoch that was measured. An epoch that will be
/// trained again, since no snapshot has it, is forgotten when the job starts.
///
/// Owner:   Leader.
/// Threads: one.
/// Bounds:  History's.
class HistoryObserver final : public JobObserver {
 public:
  /// Opens the history of the run in `folder`, or begins it. Errors are History's.
  static absl::StatusOr<std::unique_ptr<HistoryObserver>> Open(const RunFolder& folder,
                                                               const Job& job);

  absl::Status Started(const JobStart& start) override;
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override;

 private:
  explicit HistoryObserver(History history) : history_(std::move(history)) {}

  History history_;
};

}  // namespace cf
