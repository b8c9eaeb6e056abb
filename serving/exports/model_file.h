#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "serving/exports/export.pb.h"

namespace cf {

/// The name of the file of an export that says what the others are. It is written last.
inline constexpr char kModelFile[] = "model.json";

/// What the text of a model.json says; FailedPrecondition where it is not one of an export. Unknown
/// fields are of later programs. `path` is for the error.
absl::StatusOr<ExportedModel> ParseModelJson(const std::string& text, const std::string& path);

/// The same of a folder's. Errors are ReadFile's, too.
absl::StatusOr<ExportedModel> ReadModelJson(const std::string& folder);

}  // namespace cf
