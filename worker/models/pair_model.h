#pragma once

#include <memory>

#include "worker/step_model.h"

namespace cf {

/// The steps of a factorisation: samples, perhaps with negatives behind them, and rows that the
/// vectors of features are added to.
std::unique_ptr<StepModel> MakePairModel(const StepModel::Options& options);

}  // namespace cf
