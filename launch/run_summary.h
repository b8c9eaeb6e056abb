#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "run/status.pb.h"

namespace cf {

/// How the run in folder `path` stands: what its folder tells and, where it is a batch job's, what
/// Slurm says of that job. Errors are ViewRun's; a Slurm that does not answer only leaves gaps.
absl::StatusOr<RunSummary> SummarizeRun(const std::string& path);

}  // namespace cf
