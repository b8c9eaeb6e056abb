#pragma once

#include <chrono>
#include <set>
#include <sys/types.h>
#include <vector>

namespace cf {

/// The processes that `process` has started and that have not been waited for.
std::vector<pid_t> ChildrenOf(pid_t process);

/// Wakes keepers of ranks (RankKeeper) on this host that somebody stops (SIGSTOP): of the end of a rank
/// mpirun hears from its keeper alone, and waits for ever where that says nothing.
///
/// Owner:   the call that runs an mpirun.
/// Threads: one.
/// Bounds:  it is looked once a second.
class StoppedKeepers {
 public:
  using Clock = std::chrono::steady_clock;

  /// Looks at those that `mpirun` has started. One goes on that was stopped at the last look as well,
  /// unless its rank is stopped, too: a job that is stopped as a whole waits.
  void Look(pid_t mpirun, Clock::time_point now = Clock::now());

 private:
  Clock::time_point looked_{};
  std::set<pid_t> stopped_;  // At the last look.
};

}  // namespace cf
