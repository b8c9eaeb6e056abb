#pragma once

#include <chrono>
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
/// training goes on: the line follows with the next, snapshots keep it until then, and a finished job
/// waits for it a while, and says in its verdict where that was of no use.
///
/// Owner:   Leader.
/// Threads: one.
/// Bounds:  History's; a snapshot keeps the newest 256 lines that the disk did not take.
class HistoryObserver final : public JobObserver {
 public:
  struct Options {
    std::function<void(const std::string& line)> say;  ///< Tells a person a line.
    std::function<bool()> stop_requested = [] { return false; };
    std::chrono::milliseconds patience = std::chrono::seconds(30);  ///< Of a finished job.
  };
  /// Opens the history of the run in `folder`, or begins it. Errors are History::OpenOrSetAside's.
  static absl::StatusOr<std::unique_ptr<HistoryObserver>> Open(const RunFolder& folder,
                                                               const Job& job, Options options);

  absl::Status Started(const JobStart& start) override;
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status EpochMeasured(const FinishedEpoch& epoch) override;
  absl::Status SnapshotCut(Manifest& manifest) override;
  absl::Status Ended(Verdict& verdict) override;

 private:
  HistoryObserver(History history, std::string snapshots, Options options)
      : history_(std::move(history)),
        snapshots_(std::move(snapshots)),
        options_(std::move(options)) {}
  // No job ends because a file for people cannot be written.
  absl::Status Heed(const absl::Status& written);

  History history_;
  const std::string snapshots_;  // The folder of the run's own.
  const Options options_;
  bool told_ = false;  // That it cannot be written.
};

}  // namespace cf
