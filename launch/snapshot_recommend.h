#pragma once

#include <span>
#include <string>

#include <absl/status/status.h>

#include "launch/given_users.h"
#include "launch/snapshot_commands.h"
#include "serving/open_model.h"

namespace cf {

/// Writes the lists of many users as CSV, with a line for each user who has
/// none, and says on standard error how many these are. Of whom the candidates name users, only
/// these have lists, unless all are asked for; `unknown_users` are those of them whom nobody knows.
/// `options` are those of each list.
absl::Status WriteLists(const OpenModel& open, const RecommendFlags& flags,
                        const ListOptions& options, std::span<const std::string> unknown_users,
                        Output& output);

/// The same for those whose ratings are given: each is folded in. How long that took is said, too.
absl::Status WriteGivenLists(const OpenModel& open, const FoldIn& fold_in, const GivenUsers& given,
                             const ListOptions& options, Output& output);

}  // namespace cf
