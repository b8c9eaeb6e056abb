#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/status.h>

#include "serving/catalogue.h"
#include "serving/exports/export_files.h"

namespace cf {

/// Writes users.csv and items.csv: what people call the rows (docs/export_format.md).
absl::Status WriteRowNames(const Catalogue& catalogue, ExportFiles& files);

/// The items' raw ids by row, if all of them are integers as a program would write them ("7", not
/// "07"): what an index or a graph may have instead of strings.
std::optional<std::vector<std::int64_t>> IntegerItemIds(const Catalogue& catalogue);

}  // namespace cf
