#pragma once

#include <functional>

#include <absl/status/status.h>

#include "launch/command_line.h"

namespace cf {

/// Adds `cfdata head FILE|DATA`; running it puts what there is to do into `chosen`.
void AddHead(ArgumentParser* app, std::function<absl::Status()>* chosen);

}  // namespace cf
