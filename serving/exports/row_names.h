#pragma once

#include <absl/status/status.h>

#include "serving/catalogue.h"
#include "serving/exports/export_files.h"

namespace cf {

/// Writes users.csv and items.csv: what people call the rows (docs/export_format.md).
absl::Status WriteRowNames(const Catalogue& catalogue, ExportFiles& files);

}  // namespace cf
