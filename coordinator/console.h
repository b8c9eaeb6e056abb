#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/metrics/figures.h"

namespace cf {

/// Where an epoch stands, as far as it has come.
struct EpochProgress {
  std::uint32_t epoch = 0;  ///< Counted from 1.
  std::uint32_t epochs = 0;
  std::uint64_t step = 0;  ///< Of this epoch, counted from 1.
  std::uint64_t steps = 0;
  double seconds = 0;  ///< Since the epoch began.
  double samples_per_second = 0;
  Figures figures = {};  ///< Of the samples so far: train_loss, and train_rmse where it is shown.
};

/// The display of a training run: plain lines, and where a person watches a terminal a bar that
/// is redrawn in place. All lines, but never the bar, are also appended to a log file.
///
/// Owner:      the coordinator, one for a process.
/// Threads:    thread-safe: a dropped connection is reported from the I/O thread while the
///             coordinator draws, and lines must not tear.
/// Bounds:     draws at most ten bars a second and, in lines mode, a line each 30 s of an epoch.
/// Invariants: in lines mode no carriage return is ever written.
class Console {
 public:
  enum class Mode { kBar, kLines };
  struct Options {
    Mode mode = Mode::kLines;
    int width = 80;              ///< Columns of the terminal, for the bar.
    std::string log_path;        ///< Appended to; empty for none.
    std::FILE* output = stdout;  ///< Not closed.
  };

  /// NotFound, PermissionDenied or Internal if the log cannot be opened.
  static absl::StatusOr<std::unique_ptr<Console>> Open(const Options& options);
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  /// Prints `text` as a line of its own, above the bar if there is one.
  void Line(const std::string& text);

  /// The same in the log alone.
  void LogOnly(const std::string& text);

  /// Says how far the epoch is; prints only as often as a reader wants to know.
  void Progress(const EpochProgress& progress);

  /// Prints the line of a finished epoch, with what validation found, in place of its bar.
  void EpochDone(const EpochProgress& progress, const Figures& validation, bool best);

 private:
  Console(const Options& options, std::FILE* log);

  void WriteLine(const std::string& text);
  void DrawBar(const std::string& text);
  void EraseBar();

  const Options options_;
  std::FILE* const log_;  ///< Null for none.

  std::mutex mutex_;     ///< Guards the members below and the order of what is written.
  std::string bar_;      ///< What stands on the terminal's last row; empty for nothing.
  EpochProgress shown_;  ///< The last progress that was printed.
};

}  // namespace cf
