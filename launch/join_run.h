#pragma once

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "common/base/status.h"

namespace cf {

/// `cfworker --join RUN`.
struct JoinOptions {
  std::string run;
  bool spare = false;       ///< It comes only in the place of a rank that is lost.
  std::uint32_t cores = 0;  ///< That it may use; 0: its share of the host's.
};

/// Waits, as a process without MPI, until the job that runs in a run folder takes it in, and plays a
/// rank's part from then on; returns the exit code of this process. What happens until then is said on
/// standard error. Errors say in a line why it cannot join.
absl::StatusOr<ExitCode> JoinRun(const JoinOptions& options);

}  // namespace cf
