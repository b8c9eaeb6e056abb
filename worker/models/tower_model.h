#pragma once

#include <memory>

#include "worker/step_model.h"

namespace cf {

/// The steps of two-tower retrieval.
std::unique_ptr<StepModel> MakeTowerModel(const StepModel::Options& options);

}  // namespace cf
