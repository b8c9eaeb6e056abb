#pragma once

#include "serving/exports/arrays.h"
#include "serving/exports/format.h"

namespace cf {

/// NumPy arrays with CSV beside them (docs/export_format.md): what other formats are made of, and
/// what is served from. Carries every model.
ExportFormat NpyFormat();

/// Writes one array as NAME.npy. Errors are the array's and the file's.
absl::Status WriteNpy(const ModelArray& array, ExportFiles& files);

}  // namespace cf
