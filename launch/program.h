#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "common/base/status.h"

namespace cf {

/// To be called first in main(): a reader that goes, or a file that grows too large, is then an error
/// of the call that writes, and no signal that ends the process.
void BeginProgram();

/// What main() returns, for the way that its work ended. An error is said in a line on standard error
/// that begins with `name` and ": " (by itself where `name` is empty), with its control characters
/// made visible; one without a message is not said. Where standard output could not be written, a
/// line says so and a success becomes kExitFailed; where nobody reads it any more, nothing is said
/// and the code stays. Where the reader of something else has gone, which is a Cancelled error, the
/// process dies of SIGPIPE, as others do.
int EndProgram(const std::string& name, const absl::StatusOr<ExitCode>& ended);

}  // namespace cf
