#pragma once

#include <string>

#include <absl/status/status.h>

#include "common/dataset/record_format.h"
#include "launch/command_line.h"

namespace cf {

/// The flags that say how a file of ratings, pairs or items is written, as every command that reads
/// one has them.
struct RecordFlags {
  std::string columns;
  std::string separator;
  RecordOptions options;
};

/// Adds --columns, --separator, --encoding and --time-unit. `flags` outlives the command.
void AddRecordFlags(ArgumentParser* command, RecordFlags* flags);

/// Puts the words into flags->options. InvalidArgument says which of them is wrong.
absl::Status ReadRecordFlags(RecordFlags* flags);

/// Which names of columns are found without --columns; for the end of a help text.
std::string UsualNamesHelp();

}  // namespace cf
