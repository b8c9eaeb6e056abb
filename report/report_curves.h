#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/page/html_page.h"
#include "common/page/line_chart.h"
#include "run/run_view.h"

namespace cf {

/// A run as a report shows it: by a name, which is empty where it is the only one.
struct ReportedRun {
  std::string name;
  const RunView* view = nullptr;  ///< Never null.
};

/// The epoch that the run's own rule calls the best; nothing before the first.
std::optional<EpochFigures> BestEpochOf(const RunView& view);

/// A row for each figure: of the best epoch and of the last, of each run.
HtmlTable FiguresTable(const std::vector<ReportedRun>& runs);

/// A chart for each kind of figure by epoch, with training and validation in one ("rmse"), the
/// figure that the runs monitor first; then the learning rate, where it changes, and the speed.
/// Without a finished epoch there are none.
std::vector<LineChart> CurvesOf(const std::vector<ReportedRun>& runs);

/// history.csv as a table; at most its last 1,000 epochs.
HtmlTable EpochsTable(const RunView& view);

}  // namespace cf
