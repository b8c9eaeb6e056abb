#pragma once

#include <absl/status/statusor.h>

#include "common/base/status.h"
#include "launch/start_options.h"
#include "launch/supervisor.h"

namespace cf {

/// Runs a job under mpirun to its end, through restarts; what happens is said on standard error.
/// The run folder's verdict decides the exit code, since mpirun's own does not tell in every case.
/// Errors are those of starting: cfworker or mpirun is missing, the ranks do not fit the
/// allocation.
absl::StatusOr<ExitCode> StartJob(const StartOptions& options, Supervisor& supervisor);

}  // namespace cf
