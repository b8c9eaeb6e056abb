#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/status/statusor.h>

#include "common/base/status.h"

namespace cf {

/// Reads `words` into the options of `app`, whose name is what the user called ("cfrun status").
/// Nothing where there is work to do; an exit code where help or the version was asked for, which
/// is printed, as wide as the terminal. InvalidArgument says in a line which word is wrong, what was
/// expected there, and what is near: an unknown command or flag, a flag given twice, a value that is
/// empty or does not fit.
absl::StatusOr<std::optional<ExitCode>> ReadWords(CLI::App& app,
                                                  const std::vector<std::string>& words);

/// The same; the error has been said, with the name in front, and is an exit code, too.
std::optional<ExitCode> ParseWords(CLI::App& app, const std::vector<std::string>& words);

/// What is wrong with the word `name` where a command is expected, such as `no command "statsu" (did
/// you mean status?); there are list and status`.
std::string NoSuchCommand(const std::string& name, const std::vector<std::string>& commands);

/// Accepts the words alone. (CLI11's own checks print how they are made, as "ENUM:".)
CLI::Validator OneOf(const std::vector<std::string>& words);

/// Accepts whole numbers from `least` to `most`.
CLI::Validator Between(std::int64_t least, std::int64_t most);

/// What `program --version` prints.
std::string VersionText(const std::string& program);

}  // namespace cf
