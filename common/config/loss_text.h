#pragma once

#include <string>

#include "common/config/job.pb.h"

namespace cf {

/// What a job's losses are of, in a few words: "MSE", "BCE of interactions". Two losses compare where
/// these are equal. The job has its defaults filled in; empty where it has no model.
std::string LossText(const Job& job);

}  // namespace cf
