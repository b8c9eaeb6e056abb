#pragma once

#include <string>

#include "launch/allocation.h"

namespace cf {

/// Has Slurm start the batch job again that this process runs in, to go on from the snapshot that
/// was just taken: unless it was cancelled, comes back by itself, or did so CF_MAX_RESTARTS times
/// (20). Returns a line that says what was done, or why not.
std::string RequeueIfWanted(const Allocation& allocation);

}  // namespace cf
