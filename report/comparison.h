#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "run/run_view.h"

namespace cf {

/// One run among those that are compared.
struct ComparedRun {
  std::string name;  ///< Its path below the folder that all of them share.
  RunView view;
  std::optional<EpochFigures> best;  ///< The best epoch, as its own configuration judges.
  double seconds = 0;                ///< Trained, over all epochs.
  double samples_per_second = 0;     ///< Mean over these; 0 where no epoch is finished.
};

struct ComparisonColumn {
  std::string name;
  std::string label = {};  ///< Its end, as far as it takes to be no other's.
  bool right = false;      ///< Holds numbers.
  bool larger_is_better = false;
  bool is_field = false;  ///< Of the configuration.
};

struct ComparisonCell {
  std::string text = {};              ///< For people.
  std::string exact = {};             ///< For programs: as many digits as give the same bits.
  std::optional<double> number = {};  ///< By which to order; none for words and NaN.
};

/// Runs side by side.
///
/// Owner:   the command.
/// Threads: one.
/// Bounds:  all that the runs' folders tell, in memory.
struct Comparison {
  std::string folder;                 ///< The folder that all runs share.
  std::string figure;                 ///< By which one run is better: "val_rmse".
  std::optional<std::size_t> best;    ///< None where none has that figure, or they do not compare.
  std::vector<std::string> warnings;  ///< What a reader must know before comparing figures.
  std::vector<ComparisonColumn> columns;
  std::vector<ComparedRun> runs;                   ///< In the order asked for.
  std::vector<std::vector<ComparisonCell>> cells;  ///< By run and column.
};

/// Compares runs by the figure that they monitor, or, where they monitor different ones, by
/// val_rmse or else train_rmse. One of them is the best where all are of one data set (by its digest)
/// and split, and, where the figure is a loss or not all have it, of one loss. They are ordered by the column `sort` (a name or a label; empty:
/// that figure), the best first, those without a value last, equals as given. InvalidArgument:
/// there is no such column; the message names those there are. Requires: at least one run; their
/// paths differ.
absl::StatusOr<Comparison> CompareRuns(std::vector<RunView> views, const std::string& sort);

}  // namespace cf
