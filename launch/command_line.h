#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "common/base/status.h"

namespace cf {

/// Reads `words` into the options of `app`. An exit code where there is nothing left to do: help
/// was asked for and printed, or a word is wrong, which is said in a line on standard error.
inline std::optional<ExitCode> ParseWords(CLI::App& app, std::vector<std::string> words) {
  try {
    // CLI11 wants the last one first.
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error) == 0 ? kExitFinished : kExitUserInput;
    std::fprintf(stderr, "%s: %s (try --help)\n", app.get_name().c_str(), error.what());
    return kExitUserInput;
  }
}

}  // namespace cf
