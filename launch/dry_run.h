#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"

namespace cf {

struct DryRunOptions {
  Job job;  ///< Valid, with its defaults filled in.
  std::uint32_t ranks = 1;
  std::uint32_t ranks_on_host = 1;
  std::uint32_t cores = 1;   ///< Of a rank, to itself.
  std::uint64_t memory = 0;  ///< Bytes that a rank may use; 0: unknown.
  /// Where rows would be that memory has no room for, or a folder on the same disk; empty: unknown.
  std::string disk;
};

/// What a job needs, as far as can be known without training.
struct JobNeeds {
  std::uint64_t rank_memory = 0;   ///< Bytes of the largest process, about.
  std::uint64_t rank_scratch = 0;  ///< Bytes of a rank's rows and samples on disk, at most.
  std::uint64_t snapshots = 0;     ///< Bytes of all that are there at once.
  std::string data_digest;
};

/// By the plan that the job itself goes by. The error with which the job would be refused, where it
/// would be.
absl::StatusOr<JobNeeds> NeedsOf(const DryRunOptions& options);

/// Prints what the job would take: rows, memory, disk, traffic and time, by the plan that the job
/// itself goes by and a moment of training that is thrown away. Trains nothing and claims no run
/// folder; writes nothing but a scratch folder on `disk`, or the system's for temporary files,
/// where it measures a disk or needs a smaller data set to measure on. The error with which the job
/// would be refused, where it would be.
absl::Status DryRun(const DryRunOptions& options);

}  // namespace cf
