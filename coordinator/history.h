#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// One epoch's figures. What was not measured (validation without a split) is an empty cell.
struct HistoryRow {
  std::uint32_t epoch = 0;  ///< Counted from 1.
  std::uint64_t step = 0;   ///< Global steps so far.
  std::optional<double> train_loss = {};
  std::optional<double> train_rmse = {};
  std::optional<double> l2_penalty = {};
  std::optional<double> val_loss = {};
  std::optional<double> val_rmse = {};
  std::optional<double> val_mae = {};
  std::optional<double> learning_rate = {};
  std::optional<double> samples_per_second = {};
  std::optional<double> seconds = {};

  bool operator==(const HistoryRow&) const = default;
};

/// `history.csv` of a run folder: a line an epoch under a header line. Numbers have as few digits
/// as give the same bits.
///
/// Owner:      the coordinator, one for a run; nobody else writes the file.
/// Threads:    not thread-safe.
/// Bounds:     all rows are in memory, about 200 bytes for each epoch.
/// Invariants: once Append has returned OK its line survives a crash; a line that a crash cut short
///             is dropped by the next Open.
class History {
 public:
  /// Opens the file or makes an empty one. InvalidArgument names the line that is no row of ours
  /// (PATH:LINE: ...); the file is then untouched.
  static absl::StatusOr<History> Open(const std::string& path);

  /// The rows of a file that somebody else may be writing; none where there is no file.
  /// InvalidArgument as above.
  static absl::StatusOr<std::vector<HistoryRow>> Read(const std::string& path);

  /// Forgets the epochs after `epoch`: those that a run resumed from that epoch will train again.
  absl::Status CutBackTo(std::uint32_t epoch);

  /// Adds a line and syncs it. Requires: row.epoch is above the last row's.
  absl::Status Append(const HistoryRow& row);

  const std::vector<HistoryRow>& rows() const { return rows_; }

 private:
  explicit History(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<HistoryRow> rows_;
};

}  // namespace cf
