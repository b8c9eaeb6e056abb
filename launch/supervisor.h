#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// How a supervised mpirun ended.
struct JobEnd {
  int exit_code = 0;            ///< Its own, or 128 plus the signal that it died of.
  bool stop_asked = false;      ///< A snapshot and a clean end were asked for.
  bool by_stop_signal = false;  ///< It, or a rank, died of that request: nothing was ready to hear.
  bool killed = false;          ///< A second signal killed the job.
};

/// Runs `command` (an mpirun and its arguments, found on the PATH) and waits for it. SIGINT,
/// SIGTERM, SIGHUP and SIGUSR1 that reach this process ask the job, the first time, for a snapshot
/// and a clean end (SIGUSR1, which mpirun forwards to the ranks); the second ends mpirun, which
/// kills the ranks within two seconds; the third kills mpirun outright. What this process was told
/// to ignore stays ignored. mpirun has a process group of its own, so that Ctrl-C at a terminal
/// comes from here alone, and ends with this process, however that dies.
///
/// NotFound where the command is not installed. To be called from the main thread, before there is
/// another: it blocks these signals for good.
absl::StatusOr<JobEnd> Supervise(const std::vector<std::string>& command);

}  // namespace cf
