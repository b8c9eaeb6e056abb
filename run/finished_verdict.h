#pragma once

#include <optional>
#include <string>

#include "common/config/job.pb.h"
#include "common/snapshot/manifest.pb.h"
#include "run/verdict.h"

namespace cf {

/// How a job ended that its last snapshot calls finished, or nothing if `job` (which may ask for
/// more epochs than the one before) has something left to do. `folder` is what the user calls the
/// run.
std::optional<Verdict> FinishedVerdict(const Manifest& last, const Job& job,
                                       const std::string& folder);

}  // namespace cf
