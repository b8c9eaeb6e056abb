#pragma once

#include <memory>

#include "worker/step_model.h"

namespace cf {

/// The steps of the baseline that ranks by popularity, which scores and changes nothing.
std::unique_ptr<StepModel> MakePopularityModel(const StepModel::Options& options);

}  // namespace cf
