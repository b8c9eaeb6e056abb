#pragma once

#include <string>

#include <absl/status/status.h>

namespace cf {

/// The error of a job that would come to the same again, wherever and however often it is started: a
/// training that diverges, or a wait that has lasted as long as the user lets it. Aborted.
absl::Status LastingError(const std::string& text);

}  // namespace cf
