#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>

#include "common/config/job.pb.h"

namespace cf {

/// One job of a sweep: a line of its file.
struct SweepJob {
  int line = 0;  ///< Of the file, from 1.
  /// By column, written one way ("0.001" for 1e-3); empty where the configuration's value stands.
  std::vector<std::string> values;
  /// Of its run folder, made of the values and of nothing else: other lines may come, go and change
  /// places, and what has been trained is still this job's.
  std::string name;
  Job job;  ///< The configuration with the values, defaults filled in; valid.
};

/// The jobs of a sweep, in the order of their file.
struct Sweep {
  std::vector<std::string> fields;  ///< By column: the path, "optimizer.adam.learning_rate".
  std::vector<std::string> labels;  ///< By column: "learning_rate"; the path where two would agree.
  std::vector<SweepJob> jobs;
};

/// A file with more jobs is another file, given by mistake.
inline constexpr std::size_t kSweepJobsMax = 10000;

/// Reads the jobs of `path`: CSV (RFC 4180, but a job is one line) whose header line holds field
/// paths. A cell that is empty leaves the field as it is in `base`. Blank lines, lines that begin
/// with '#', Windows line ends and a UTF-8 byte order mark do not matter.
///
/// InvalidArgument is one line, `FILE:LINE: ` and what is wrong: a field that there is not, that
/// comes twice or that a sweep cannot change; a value that it does not take; too many cells; a job
/// that ValidateJob refuses or that is there already. NotFound or PermissionDenied: no such file.
absl::StatusOr<Sweep> ReadSweep(const std::string& path, const Job& base);

/// The same for a text; `name` stands for the file in errors.
absl::StatusOr<Sweep> ParseSweep(const std::string& text, const std::string& name, const Job& base);

/// The scalar or message field at `path` of a job. InvalidArgument where there is none, with the
/// nearest, or where a sweep cannot change it.
absl::StatusOr<const google::protobuf::FieldDescriptor*> FindSweepField(const std::string& path);

}  // namespace cf
