#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "run/sweep_make.h"

namespace cf {

extern const char kSweepUsage[];

/// What `cfrun sweep` is asked for.
struct SweepFlags {
  bool help = false;
  bool make_file = false;  ///< To make the file of jobs, and not to run them.
  std::string jobs;        ///< The file.
  std::string config;
  std::string run;                  ///< The folder of the runs.
  std::string data;                 ///< Empty: as the configuration says.
  std::vector<std::string> set;     ///< FIELD=VALUE, of all jobs.
  SweepMakeOptions make;            ///< Only with make_file.
  std::vector<std::string> others;  ///< For cfrun start and cfworker, as they came.
};

/// Reads the words after `cfrun sweep`. The file of jobs and CONFIG are the first two that are no
/// flag; so what comes after them may also be a flag that only cfworker knows, and its value.
/// InvalidArgument says what is wrong.
absl::StatusOr<SweepFlags> ParseSweepFlags(const std::vector<std::string>& words);

}  // namespace cf
