#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/output_file.h"
#include "common/text/text_table.h"

namespace cf {

/// Where a verb of cfsnapshot puts what it says, and how.
struct OutputFlags {
  std::string out = {};                    ///< File to write; empty: standard output.
  bool overwrite = false;                  ///< Whether `out` may replace what is there.
  std::optional<TableFormat> format = {};  ///< Nothing: text to people, CSV into files.
};

/// The place that a verb's answer goes to: standard output, or the file of the flags.
///
/// Owner:   the verb.
/// Threads: one.
/// Bounds:  that of an OutputFile.
class Output {
 public:
  /// Opens the file, where there is one to be. Called before the work, because what may not be
  /// written need not be found. Errors are OutputFile's.
  static absl::StatusOr<Output> Open(const OutputFlags& flags);

  TableFormat table_format() const { return format_; }
  bool for_people() const { return format_ == TableFormat::kText; }

  /// Adds to what the verb says. Errors are kept and come out of Close.
  void Write(const std::string& text);
  /// The first error so far: whoever has long to go on need not.
  absl::Status status() const;
  /// Ends the answer; a file is there then. The first error of all.
  absl::Status Close();

  /// All of an answer.
  absl::Status Deliver(const std::string& text);

 private:
  explicit Output(TableFormat format) : format_(format) {}

  TableFormat format_;
  std::optional<OutputFile> file_;
};

/// Says something on standard error that is not part of an answer.
void Note(const std::string& line);

/// "1 user", "10,084 users".
std::string Counted(std::uint64_t count, const char* what);

}  // namespace cf
