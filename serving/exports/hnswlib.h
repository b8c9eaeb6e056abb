#pragma once

#include "serving/exports/format.h"

namespace cf {

/// A graph of the items as hnswlib searches it, by inner product, and queries beside it; a sidecar
/// says what the file does not: space and dimension. Carries models whose scores are inner products.
ExportFormat HnswlibFormat();

}  // namespace cf
