#pragma once

#include <functional>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>

#include "launch/cfdata_progress.h"

namespace cf {

/// Adds `cfdata synth`, which makes a data set of generated ratings. When it is what the user asked
/// for, `*chosen` becomes what to run.
void AddSynth(CLI::App* app, CfdataProgress::Mode* mode, std::function<absl::Status()>* chosen);

}  // namespace cf
