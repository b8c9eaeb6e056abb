#pragma once

#include <absl/status/status.h>

#include "serving/exports/format.h"

namespace cf {

/// Writes the model in that format (docs/export_format.md), so that the folder appears whole or not
/// at all. InvalidArgument: there is no such format, or it has not that precision or index. FailedPrecondition: it cannot carry the model.
/// AlreadyExists if there is something in its place that may not be replaced; never replaces what is
/// not an export.
absl::Status WriteExport(const ExportSubject& subject, const ExportOptions& options);

}  // namespace cf
