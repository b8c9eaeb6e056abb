#pragma once

#include <functional>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>

#include "launch/cfdata_progress.h"

namespace cf {

/// Adds `cfdata import`; running it puts what there is to do into `chosen`.
void AddImport(CLI::App* app, CfdataProgress::Mode* mode, std::function<absl::Status()>* chosen);

}  // namespace cf
