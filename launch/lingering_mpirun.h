#pragma once

#include <sys/types.h>

namespace cf {

/// Whether a process is an mpirun, by the name that the kernel has for it.
bool IsMpirun(pid_t process);

/// Ends the mpirun that started this process, where it has not ended by itself some seconds from now:
/// Open MPI 4.1 waits for ever for the end of what it started on a host that fell silent. A process
/// of its own does it, as mpirun may wait for the end of this one. Nothing where mpirun is on another
/// host, or another rank here sees to it.
void EndLingeringMpirun();

}  // namespace cf
