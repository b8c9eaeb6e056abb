#pragma once

#include <cstddef>

#include <absl/status/statusor.h>

#include "launch/allocation.h"

namespace cf {

/// Which jobs of a sweep this process runs: `first`, `first + every`, ... (from 0).
struct SweepSlice {
  std::size_t first = 0;
  std::size_t every = 1;
  bool array = false;     ///< This is a task of a Slurm array.
  std::size_t tasks = 1;  ///< Of the array; fewer than `every` where indices were left out.

  bool Holds(std::size_t job) const { return job >= first && (job - first) % every == 0; }
};

/// All jobs, or in a Slurm array the share of this task. The indices from the array's lowest to its
/// highest share the jobs, by the array's step, so that no two tasks ever have the same one; those
/// of an index that was left out (--array=0,3) are nobody's: no task can know which are there.
/// InvalidArgument names a variable that is not as Slurm writes it.
absl::StatusOr<SweepSlice> FindSweepSlice(const Environment& environment);

}  // namespace cf
