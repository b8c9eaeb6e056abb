#pragma once

#include <string>

#include <absl/status/status.h>

#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/served_model.h"

namespace cf {

struct ExportOptions {
  std::string folder;
  bool overwrite = false;  ///< Whether an earlier export in its place may be replaced.
};

/// Writes the model as NumPy arrays with CSV and JSON beside them (docs/export_format.md), so that
/// the folder appears whole or not at all. AlreadyExists if there is something in its place that
/// may not be replaced; never replaces what is not an export. Requires: `model` and `catalogue` are
/// those of `snapshot`.
absl::Status ExportNpy(const Snapshot& snapshot, const ServedModel& model,
                       const Catalogue& catalogue, const ExportOptions& options);

}  // namespace cf
