#pragma once

#include <memory>

#include "common/model/model_spec.h"

namespace cf {

/// The ModelSpec of the baseline that ranks by popularity. Requires: as ModelSpec::Make; the job's model is one.
std::unique_ptr<const ModelSpec> MakePopularity(const Job& job);

}  // namespace cf
