#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "coordinator/job_observer.h"
#include "run/history.h"
#include "run/run_folder.h"

namespace cf {

/// Keeps the history of a run: a line for each epoch that was measured. An epoch that will be
/// trained again, since no snapshot has it, is forgotten when the job starts; one whose line was lost,
/// and that the snapshot knows, has it again. A disk that does not take a line is told of once, and
/// training goes on: the line follows with the next.
///
/// Owner:   Leader.
/// Threads: one.
/// Bounds:  History's.
class HistoryObserver final : public JobObserver {
 public:
  /// Tells a person a line.
  using Say = std::function<void(const std::string& line)>;

  /// Opens the history of the run in `folder`, or begins it. Errors are History::OpenOrSetAside's.
  static absl::StatusOr<std::unique_ptr<HistoryObserver>> Open(const RunFolder& folder,
                                                               const Job& job, Say say);

  absl::Status Started(const JobStart& start) override;
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override;
  absl::Status Ended(const Verdict& verdict) override;

 private:
  HistoryObserver(History history, std::string snapshots, Say say)
      : history_(std::move(history)), snapshots_(std::move(snapshots)), say_(std::move(say)) {}
  // No job ends because a file for people cannot be written.
  absl::Status Heed(const absl::Status& written);

  History history_;
  const std::string snapshots_;  // The folder of the run's own.
  Say say_;
  bool told_ = false;  // That it cannot be written.
};

}  // namespace cf
