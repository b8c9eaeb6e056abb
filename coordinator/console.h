#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "coordinator/job_observer.h"

namespace cf {

/// The display of a training run: plain lines, and where a person watches a terminal a bar that
/// is redrawn in place. All lines, but never the bar, are also appended to a log file.
///
/// Owner:      RunGeneration, one for the process that leads.
/// Threads:    thread-safe: a dropped connection is reported from the I/O thread while the
///             coordinator draws, and lines must not tear.
/// Bounds:     draws at most ten bars a second and, in lines mode, a line each 30 s of an epoch.
/// Invariants: in lines mode no carriage return is ever written.
class Console final : public JobObserver {
 public:
  enum class Mode { kBar, kLines };
  struct Options {
    Mode mode = Mode::kLines;
    int width = 80;              ///< Columns of the terminal, for the bar.
    int line_width = 0;          ///< At which lines are broken, though not in the log; 0: nowhere.
    std::string log_path;        ///< Appended to; empty for none.
    std::FILE* output = stdout;  ///< Not closed.
  };

  /// NotFound, PermissionDenied or Internal if the log cannot be opened.
  static absl::StatusOr<std::unique_ptr<Console>> Open(const Options& options);
  ~Console() override;

  /// Prints `text` as a line of its own, above the bar if there is one.
  void Line(const std::string& text);

  /// The same in the log alone.
  void LogOnly(const std::string& text);

  /// Draws how far the epoch is; only as often as a reader wants to know, and not at its end, when
  /// EpochEnded is about to say more.
  absl::Status StartMeasured(const EpochFigures& start) override;
  absl::Status SegmentTrained(const TrainedSegment& segment) override;
  /// Prints the line of the epoch, with what validation found, in place of its bar.
  absl::Status EpochEnded(const FinishedEpoch& epoch) override;
  absl::Status SnapshotHindered(const std::string& line) override;
  absl::Status Remarked(const std::string& line) override;
  absl::Status Warned(const std::string& line) override;
  absl::Status Ended(Verdict& verdict) override;

 private:
  Console(Options options, std::FILE* log);

  void WriteLine(const std::string& text);
  void WritePieces(const std::vector<std::string>& pieces);
  void Write(const std::string& shown, const std::string& logged);
  std::size_t BarColumns() const;
  void DrawBar(const std::string& text);
  void EraseBar();

  const Options options_;
  std::FILE* const log_;  ///< Null for none.

  std::mutex mutex_;     ///< Guards the members below and the order of what is written.
  std::string bar_;      ///< What stands on the terminal's last row; empty for nothing.
  EpochProgress shown_;  ///< The last progress that was printed.
};

}  // namespace cf
