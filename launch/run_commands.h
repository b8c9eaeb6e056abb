#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/status.h"

namespace cf {

// The verbs of cfrun beside `start`. Each takes the words after the verb, prints what it
// has to say, and returns the exit code; an error is one line for the user.

/// `cfrun status RUN...`: how runs stand, for people or (--json) for programs.
absl::StatusOr<ExitCode> StatusCommand(const std::vector<std::string>& words);

/// `cfrun list [FOLDER]`: a line for each run of a folder.
absl::StatusOr<ExitCode> ListCommand(const std::vector<std::string>& words);

/// `cfrun stop RUN...`: has jobs take a snapshot and end.
absl::StatusOr<ExitCode> StopCommand(const std::vector<std::string>& words);

/// `cfrun resize RUN -n N`: has a job go on with another number of ranks.
absl::StatusOr<ExitCode> ResizeCommand(const std::vector<std::string>& words);

/// `cfrun compare RUN...`: a table and a page with the curves of several runs.
absl::StatusOr<ExitCode> CompareCommand(const std::vector<std::string>& words);

/// `cfrun report RUN`: the page that a run ends with, made again.
absl::StatusOr<ExitCode> ReportCommand(const std::vector<std::string>& words);

/// `cfrun doctor [CONFIG]`: whether a job could begin on its hosts.
absl::StatusOr<ExitCode> DoctorCommand(const std::vector<std::string>& words);

/// `cfrun sweep JOBS CONFIG`: one job for each line of a file.
absl::StatusOr<ExitCode> SweepCommand(const std::vector<std::string>& words);

}  // namespace cf
