#pragma once

#include <absl/status/status.h>

#include "launch/snapshot_commands.h"
#include "serving/open_model.h"

namespace cf {

/// Writes the lists of many users as CSV, with a line for each user who has
/// none, and says on standard error how many these are. `options` are those of each list.
absl::Status WriteLists(const OpenModel& open, const RecommendFlags& flags,
                        const ListOptions& options, Output& output);

}  // namespace cf
