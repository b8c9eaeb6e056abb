#pragma once

#include <memory>

#include "worker/step_model.h"

namespace cf {

/// The steps of a neural ranker.
std::unique_ptr<StepModel> MakeRankerModel(const StepModel::Options& options);

}  // namespace cf
