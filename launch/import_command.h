#pragma once

#include <functional>

#include <absl/status/status.h>

#include "launch/cfdata_progress.h"
#include "launch/command_line.h"

namespace cf {

/// Adds `cfdata import`; running it puts what there is to do into `chosen`.
void AddImport(ArgumentParser* app, CfdataProgress::Mode* mode,
               std::function<absl::Status()>* chosen);

}  // namespace cf
