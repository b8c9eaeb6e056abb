#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// What `cfrun start` is asked for.
struct StartOptions {
  std::uint32_t ranks = 0;    ///< 0: as the batch allocation says.
  std::uint32_t servers = 0;  ///< So many of them only serve rows.
  /// How often a job that dies by itself is started again without having come to a new snapshot
  /// in between, and for how long after the last one (or the start).
  std::uint32_t restarts = 3;
  std::uint32_t restart_minutes = 60;
  /// What the ranks may take to meet, and a job to end that was asked to, before it is killed.
  std::uint32_t meeting_seconds = 120;
  std::uint32_t stop_seconds = 600;
  /// Outside of a batch system: the hosts to use, the last of which are kept for when another is
  /// lost; empty: as Open MPI is told elsewhere. Then so many processes wait on this host.
  std::vector<std::string> hosts;
  std::uint32_t spares = 0;
  /// Whether the others go on in place when a rank is lost, at most as often as it may be restarted.
  bool survival = true;
  bool requeue = false;             ///< Whether Slurm is to start the job again after exit code 75.
  std::vector<std::string> worker;  ///< CONFIG and the flags of cfworker.
};

/// The words of a command line as options. InvalidArgument says what is wrong with them.
absl::StatusOr<StartOptions> ParseStart(const std::vector<std::string>& words);

}  // namespace cf
