#pragma once

#include "serving/exports/format.h"

namespace cf {

/// A TensorFlow Lite model with row numbers in: the score of pairs and, where scores are inner
/// products, both towers. Carries every model whose tables fit in 2 GiB.
ExportFormat TfliteFormat();

}  // namespace cf
