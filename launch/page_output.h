#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "common/base/output_file.h"

namespace cf {

/// Opens the place of a page that `flag` names. A page that a program of ours has made is replaced,
/// as RUN/report.html is; anything else only with `overwrite`. Errors are OutputFile's, behind the
/// flag.
absl::StatusOr<OutputFile> OpenPageOutput(const std::string& flag, const std::string& path,
                                          bool overwrite);

}  // namespace cf
