#pragma once

#include "serving/exports/format.h"

namespace cf {

/// NumPy arrays with CSV beside them (docs/export_format.md): what other formats are made of, and
/// what is served from. Carries every model.
ExportFormat NpyFormat();

}  // namespace cf
