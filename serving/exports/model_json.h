#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "serving/exports/format.h"
#include "serving/exports/model_file.h"

namespace cf {

/// What every export says of its model: shapes, figures, how it was trained, where it comes from.
/// DataLoss: the snapshot's rows cannot be read for its digest.
absl::StatusOr<ExportedModel> DescribeModel(const ExportSubject& subject,
                                            const std::string& format);

/// The text of model.json.
absl::StatusOr<std::string> JsonOf(const ExportedModel& model);

/// What a feature is of, as model.json and names of arrays have it: "users", "items" or "samples".
const char* OwnersOf(const ServedFeature& feature);

}  // namespace cf
