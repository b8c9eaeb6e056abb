#pragma once

#include <functional>

#include <CLI/CLI.hpp>
#include <absl/status/status.h>

namespace cf {

/// Adds `cfdata head FILE|DATA`; running it puts what there is to do into `chosen`.
void AddHead(CLI::App* app, std::function<absl::Status()>* chosen);

}  // namespace cf
