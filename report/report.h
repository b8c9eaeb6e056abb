#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "run/run_folder.h"

namespace cf {

struct ReportOptions {
  std::string run;          ///< The run's folder.
  std::string beside = {};  ///< Another run's folder; empty: none.
  std::string data = {};    ///< Folder of the data set; empty: where the job had it.
  /// Whether reading may take its time. Else a data set or a model that would take more than some
  /// seconds is left out, which the page says.
  bool patient = true;
};

/// The report of a run as a page (docs/report.md). Errors are ViewRun's, of both runs, and those of
/// opening the data set where `data` names one; a data set or snapshot that is not where the run
/// had it is a gap that the page speaks of.
absl::StatusOr<std::string> MakeReport(const ReportOptions& options);

/// Makes the report at the end of a run, in one step: RUN/report.html.
absl::Status WriteReport(const RunFolder& folder);

}  // namespace cf
