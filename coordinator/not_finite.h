#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <absl/status/status.h>

#include "coordinator/control.pb.h"
#include "coordinator/training_data.h"

namespace cf {

/// The error of a job whose numbers run away: it names `figure`, unless that is empty, and the first
/// row of each table that is not finite, as the replies tell. OK where there is nothing to name.
/// `step`: how far the job is. DataLoss: a reply names a table that is not there.
absl::Status CheckFinite(const std::string& figure, std::span<const Reply> replies,
                         const TrainingData& data, std::uint64_t step, bool has_snapshot);

}  // namespace cf
