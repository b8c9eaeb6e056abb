#pragma once

#include "serving/exports/format.h"

namespace cf {

/// ONNX graphs with raw ids in and out: the score of pairs, the best items of users and, where
/// scores are inner products, both towers. Carries every model.
ExportFormat OnnxFormat();

}  // namespace cf
