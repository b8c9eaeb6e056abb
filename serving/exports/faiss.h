#pragma once

#include "serving/exports/format.h"

namespace cf {

/// A FAISS index of the items by inner product, and queries beside it. The exact one is written
/// here; others, by the name that FAISS's index_factory knows, through libfaiss. Carries models
/// whose scores are inner products.
ExportFormat FaissFormat();

}  // namespace cf
