#pragma once

#include <optional>
#include <string>

#include "report/report_data.h"
#include "run/run_view.h"

namespace cf {

/// What a report is made of.
struct ReportContent {
  RunView run;
  std::optional<RunView> beside = {};   ///< Another run, to be read beside it.
  std::optional<ReportData> data = {};  ///< Of the run.
  std::string no_data = {};             ///< Why there is none; empty where there is.
};

/// The report as a page for a browser (docs/report.md): how the run ended, its figures and curves,
/// the model, the data set, what the model recommends, the configuration. What a run does not have
/// is said in its place. Holds no time of its own making: the same content gives the same bytes.
std::string FormatReportPage(const ReportContent& content);

}  // namespace cf
