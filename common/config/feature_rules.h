#pragma once

#include <optional>
#include <string>

#include <absl/status/status.h>

#include "common/config/job.pb.h"

/// What the features of a model must be to each other and to it. For the sources of this folder
/// only.
namespace cf::config {

/// InvalidArgument names the first feature that the model cannot have, and the rule. Requires:
/// defaults are filled in, and each field is in its range.
absl::Status CheckFactorizationFeatures(const MatrixFactorization& model);
absl::Status CheckRankerFeatures(const Ranker& model);

/// Why the job's model cannot rank all items for a user, as what a refusal expects instead; nothing
/// where it can.
std::optional<std::string> WhyNotRanked(const Job& job);

}  // namespace cf::config
