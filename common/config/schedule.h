#pragma once

#include <cstdint>

#include "common/config/job.pb.h"

namespace cf {

/// The factor by which `schedule` multiplies the optimizer's learning rate at `step`, the number of
/// global batches before it in the whole job. The formulas are in job.proto. An empty schedule is
/// constant: 1. The bits are the same on every machine.
/// Requires: the schedule is valid (ValidateJob); steps_per_epoch > 0.
double LearningRateFactor(const Schedule& schedule, std::uint64_t step,
                          std::uint64_t steps_per_epoch);

}  // namespace cf
