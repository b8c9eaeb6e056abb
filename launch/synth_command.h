#pragma once

#include <functional>

#include <absl/status/status.h>

#include "launch/cfdata_progress.h"
#include "launch/command_line.h"

namespace cf {

/// Adds `cfdata synth`, which makes a data set of generated ratings. When it is what the user asked
/// for, `*chosen` becomes what to run.
void AddSynth(ArgumentParser* app, CfdataProgress::Mode* mode,
              std::function<absl::Status()>* chosen);

}  // namespace cf
