#pragma once

#include <memory>

#include "common/model/model_spec.h"

namespace cf {

/// The ModelSpec of matrix factorisation. Requires: as ModelSpec::Make; the job's model is one.
std::unique_ptr<const ModelSpec> MakeFactorization(const Job& job);

}  // namespace cf
