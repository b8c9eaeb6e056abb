#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/scratch_folder.h"
#include "launch/allocation.h"

namespace cf {

/// InvalidArgument where this host has a name with which Open MPI does not start.
absl::Status CheckHostName();

/// The value of `--name value` or `--name=value` among `words`; the last one counts, and none is
/// empty.
std::string FindFlag(const std::vector<std::string>& words, const std::string& name);

/// Sets `--progress` and `--width` among the flags of cfworker, unless the user has: a rank's own
/// standard output is a pseudo-terminal of mpirun, so only this process knows what is behind it.
void TellAboutTerminal(std::vector<std::string>& flags);

/// Sets what Open MPI needs here in this process's environment, each setting only where the user
/// has not set it himself (docs/openmpi.md); where all ranks are `on_one_host`, it listens on
/// loopback.
void SetUpOpenMpi(bool on_one_host);

/// Whether `environment` or a configuration of Open MPI names other hosts to an mpirun outside a
/// batch system of ours.
bool NamesOtherHosts(const Environment& environment);

/// The same for an mpirun in the Slurm allocation of another that was lost.
void SetUpOpenMpiForRestart();

/// The path of cfworker, which lies beside this program. NotFound where it is not there.
absl::StatusOr<std::string> FindWorker();

/// What has to be run here so that `command` runs on `host`, in the way in which Open MPI starts what it
/// does outside of a batch system: by ssh, or by what the user has it use instead.
std::vector<std::string> CommandOn(const std::string& host,
                                   const std::vector<std::string>& command);

/// Whether Open MPI could start something on `host` now, in the way that it does outside of a batch
/// system: by ssh, or by what the user has it use instead. Waits for some seconds at most.
bool Answers(const std::string& host);

/// A folder for what the mpiruns of a job on this host alone keep while they run; nothing where the user
/// has chosen a place. In the folder that Open MPI would share among all jobs of a user on a
/// host, the first to end removes what another has just found there, and that one does not start.
/// InvalidArgument: TMPDIR is no folder that can be written to.
absl::StatusOr<std::optional<ScratchFolder>> MakeSessionFolder();

/// The mpirun that starts cfworker, which lies beside this program, as `plan` says, with its files in
/// `session_folder` (empty: where Open MPI has them); the ranks know this start by the name `launch`
/// (LaunchPlace). NotFound where cfworker is not there.
absl::StatusOr<std::vector<std::string>> MpirunCommand(const RankPlan& plan,
                                                       const std::string& session_folder,
                                                       const std::string& launch,
                                                       const std::vector<std::string>& flags);

}  // namespace cf
