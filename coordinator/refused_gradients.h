#pragma once

#include <cstdint>
#include <span>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "coordinator/control.pb.h"
#include "coordinator/training_data.h"

namespace cf {

/// The gradients of a segment that did not touch their rows, as the replies tell.
struct RefusedInSegment {
  std::uint64_t count = 0;
  /// The first: "rank 1 refused the gradient of row 7 of table users (raw id 1007) in step 42, which
  /// is not finite". Steps count from 1. Empty where there is none.
  std::string first;
};

/// `replies` are by rank. DataLoss: a reply names a table that is not there.
absl::StatusOr<RefusedInSegment> SumOfRefused(std::span<const Reply> replies, const Job& job,
                                              const TrainingData& data);

/// The error of a job that such a gradient ends. Requires: there is one.
absl::Status EndedBy(const RefusedInSegment& refused, bool has_snapshot);

}  // namespace cf
