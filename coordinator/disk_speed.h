#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "coordinator/job_estimate.h"

namespace cf {

/// Writes a quarter of a GiB to a scratch file below `directory`, past the system's cache where the
/// file system can, reads it back, and removes it. Errors name the path.
absl::StatusOr<DiskSpeed> MeasureDisk(const std::string& directory);

}  // namespace cf
