#pragma once

#include "serving/exports/format.h"

namespace cf {

/// One file, model.safetensors, with all arrays of the npy export and the model's description in
/// its header. Carries every model.
ExportFormat SafetensorsFormat();

}  // namespace cf
