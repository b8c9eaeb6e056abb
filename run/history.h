#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/metrics/figures.h"

namespace cf {

/// `history.csv` of a run folder: a line an epoch under a header line. Numbers have as few digits
/// as give the same bits. Every history has the same columns first; what a job asked for beside
/// them follows, in columns of their own. A history that was written before there were pauses has no
/// column for them, and gets one when it is opened.
///
/// Owner:      the coordinator, one for a run; nobody else writes the file.
/// Threads:    not thread-safe.
/// Bounds:     all epochs are in memory, about 500 bytes each.
/// Invariants: once Append has returned OK its line survives a crash; a line that a crash cut short
///             is dropped by the next opening.
class History {
 public:
  /// Opens the file or makes an empty one. InvalidArgument names the line that is no row of ours
  /// (PATH:LINE: ...); the file is then untouched.
  /// `others` are the columns to come beside those that every history has.
  static absl::StatusOr<History> Open(const std::string& path,
                                      const std::vector<std::string>& others = {});

  /// The same for a job, which no file for people holds up: what is no history of ours (a line that
  /// somebody edited, a folder in its place) is moved to PATH.damaged, or PATH.damaged-2 and so on,
  /// and its sound lines are kept. `remark` says so in one line; else it stays empty.
  static absl::StatusOr<History> OpenOrSetAside(const std::string& path,
                                                const std::vector<std::string>& others,
                                                std::string& remark);

  /// The epochs of a file that somebody else may be writing; none where there is no file.
  /// InvalidArgument as above.
  static absl::StatusOr<std::vector<EpochFigures>> Read(const std::string& path);
  /// The same for a text; `name` stands for the file in errors.
  static absl::StatusOr<std::vector<EpochFigures>> Parse(const std::string& text,
                                                         const std::string& name);

  /// Forgets all epochs: the run begins anew.
  absl::Status Clear();

  /// Forgets the epochs after `epoch`: those that a run resumed from that epoch will train again.
  absl::Status CutBackTo(std::uint32_t epoch);

  /// Puts epochs that a snapshot knows of in their places, where their lines are lost.
  absl::Status Restore(std::span<const EpochFigures> epochs);

  /// Adds a line and syncs it. After an error, here and above, the line comes with the next call that
  /// writes. Requires: epoch.epoch is above the last one's; every figure has a column.
  absl::Status Append(const EpochFigures& epoch);

  /// Writes what could not be written before, if there is anything.
  absl::Status Flush();

  const std::vector<EpochFigures>& epochs() const { return epochs_; }

  /// Those of them whose lines the file does not have, after an error. Reads it then.
  std::vector<EpochFigures> Unwritten() const;

 private:
  explicit History(std::string path) : path_(std::move(path)) {}
  absl::Status WriteWhole();

  std::string path_;
  std::vector<std::string> others_;  // The columns after those that every history has.
  std::vector<EpochFigures> epochs_;
  bool behind_ = false;  // The file is not what is here; its last line may be half a line.
};

}  // namespace cf
