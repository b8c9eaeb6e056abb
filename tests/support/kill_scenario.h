#pragma once

#include <cstdint>
#include <string>

#include "tests/support/cluster.h"

namespace cf {

/// Whom a scenario kills with SIGKILL.
enum class Victim { kRank, kMpirun, kMpirunOfCfrun };

/// When: before the first snapshot in the middle of an epoch, or after one.
enum class Moment { kBeforeSnapshot, kAfterSnapshot };

struct KillScenario {
  Victim victim = Victim::kRank;
  Moment moment = Moment::kAfterSnapshot;
  /// Draws the rank, the numbers of ranks, and the step and the instant of the kill.
  std::uint64_t seed = 1;
};

/// The job that all scenarios train, with snapshots in the middle of its epochs. Its last state has
/// KillOracle's digest.
JobOptions KilledJob(const std::string& run);

/// The same job with no more snapshots than it must take: to resume it, in less time.
JobOptions RestOfKilledJob(const std::string& run);

/// The digest of that job when nothing disturbs it.
std::string KillOracle(const Cluster& cluster);

/// Runs the job, kills, checks that no process is left, resumes with another number of ranks, and
/// checks that it ends with `digest`.
void CheckKill(const Cluster& cluster, const KillScenario& scenario, const std::string& digest);

}  // namespace cf
