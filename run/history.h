#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/manifest.pb.h"

namespace cf {

/// A figure by the name of its column.
struct NamedFigure {
  std::string name;
  double value = 0;

  bool operator==(const NamedFigure&) const = default;
};

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
  std::vector<NamedFigure> others = {};  ///< What else the job asked for: "val_ndcg_10".

  bool operator==(const HistoryRow&) const = default;
};

/// The epoch's figures as its manifest has them; without samples_per_second and seconds.
HistoryRow RowOf(const EpochMetrics& metrics);

/// The figures of validation, in the order in which people read them.
std::vector<NamedFigure> ValidationOf(const EpochMetrics& metrics);

/// A figure of an epoch by its column in history.csv; nothing where it was not measured.
std::optional<double> FigureOf(const HistoryRow& row, const std::string& name);

/// The names of all figures but learning_rate, samples_per_second and seconds that one of `rows`
/// has: val_rmse, val_loss, val_mae, train_rmse and train_loss as far as they are there, then the
/// others in their order.
std::vector<std::string> FigureNamesOf(std::span<const HistoryRow> rows);

/// `history.csv` of a run folder: a line an epoch under a header line. Numbers have as few digits
/// as give the same bits. Every history has the same columns first; what a job asked for beside
/// them follows, in columns of their own.
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
  /// `others` are the columns to come beside those that every history has.
  static absl::StatusOr<History> Open(const std::string& path,
                                      const std::vector<std::string>& others = {});

  /// The rows of a file that somebody else may be writing; none where there is no file.
  /// InvalidArgument as above.
  static absl::StatusOr<std::vector<HistoryRow>> Read(const std::string& path);
  /// The same for a text; `name` stands for the file in errors.
  static absl::StatusOr<std::vector<HistoryRow>> Parse(const std::string& text,
                                                       const std::string& name);

  /// Forgets the epochs after `epoch`: those that a run resumed from that epoch will train again.
  absl::Status CutBackTo(std::uint32_t epoch);

  /// Adds a line and syncs it. Requires: row.epoch is above the last row's; row.others have
  /// columns.
  absl::Status Append(const HistoryRow& row);

  const std::vector<HistoryRow>& rows() const { return rows_; }

 private:
  explicit History(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::string> others_;  // The columns after those that every history has.
  std::vector<HistoryRow> rows_;
};

}  // namespace cf
