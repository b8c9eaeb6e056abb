#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "serving/catalogue.h"
#include "serving/exports/export_files.h"

namespace cf {

/// Writes users.csv and items.csv: what people call the rows (docs/export_format.md).
absl::Status WriteRowNames(const Catalogue& catalogue, ExportFiles& files);

/// Whether all raw ids are integers as a program would write them ("7", not "07"), so that numbers
/// may stand for them.
bool AllAreIntegers(const std::vector<std::string>& raw_ids);

/// The items' raw ids by row, if AllAreIntegers of them.
std::optional<std::vector<std::int64_t>> IntegerItemIds(const Catalogue& catalogue);

}  // namespace cf
