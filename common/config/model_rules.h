#pragma once

#include <absl/status/status.h>

#include "common/config/job.pb.h"

namespace cf::config {

/// InvalidArgument for the first field of the model that does not fit the others, and the rule; or
/// if the model names no kind. Requires: defaults are filled in, and each field is in its range.
absl::Status CheckModel(const Model& model);

}  // namespace cf::config
