#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "launch/allocation.h"

namespace cf {

/// The value of `--name value` or `--name=value` among `words`; the last one counts, and none is
/// empty.
std::string FindFlag(const std::vector<std::string>& words, const std::string& name);

/// Sets `--progress` and `--width` among the flags of cfworker, unless the user has: a rank's own
/// standard output is a pseudo-terminal of mpirun, so only this process knows what is behind it.
void TellAboutTerminal(std::vector<std::string>& flags);

/// Sets what Open MPI needs here in this process's environment, each setting only where the user
/// has not set it himself (docs/openmpi.md).
void SetUpOpenMpi();

/// The same for an mpirun in the Slurm allocation of another that was lost.
void SetUpOpenMpiForRestart();

/// The mpirun that starts cfworker, which lies beside this program, as `plan` says. NotFound where
/// it does not.
absl::StatusOr<std::vector<std::string>> MpirunCommand(const RankPlan& plan,
                                                       const std::vector<std::string>& flags);

}  // namespace cf
