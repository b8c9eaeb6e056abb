#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"

namespace cf {

struct SweepMakeOptions {
  /// FIELD=SPEC, where SPEC is a list `a,b,c`, a range `lo..hi` (uniform, the ends included), or
  /// `log:lo..hi` (uniform in the logarithm). Ranges are for numbers; of a field of whole numbers
  /// they give whole numbers.
  std::vector<std::string> specs;
  std::size_t random = 0;   ///< So many random jobs; 0: all combinations of the lists.
  std::uint64_t seed = 42;  ///< Of the random ones.
};

/// The text of a sweep's file. All combinations: the first field changes slowest. Random ones: job
/// by job, no job twice; each number is a pure function of the seed, the job's number and the
/// field's place, made by arithmetic that is the same on every machine, so the same options give
/// the same bytes, and a larger `random` adds lines at the end.
///
/// InvalidArgument is one line: a SPEC that is none, fewer different jobs than are wanted, or what
/// ParseSweep finds wrong with a line; `name` stands for the file in it.
absl::StatusOr<std::string> MakeSweep(const SweepMakeOptions& options, const std::string& name,
                                      const Job& base);

/// Makes the file `path` hold `text`. AlreadyExists where there is one: a sweep's file is
/// somebody's record, and is not replaced.
absl::Status WriteNewFile(const std::string& path, const std::string& text);

}  // namespace cf
