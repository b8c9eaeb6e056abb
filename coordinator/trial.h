#pragma once

#include <cstdint>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "coordinator/training_data.h"

namespace cf {

/// What a job took that was set up for real, trained for a moment in memory, by one rank, and thrown
/// away.
struct TrialFigures {
  std::uint64_t training_samples = 0;    ///< That an epoch of it has,
  std::uint64_t validation_samples = 0;  ///< and its validation.
  double samples_per_second = 0;         ///< Of training, by all threads.
  double epoch_begin_seconds = 0;        ///< Of what an epoch begins with: its shuffle.
  double validation_seconds = 0;         ///< With all figures that the job asks for; 0 without any.
  double penalty_seconds = 0;            ///< Of a pass over all rows.
  /// Bytes by which the process grew at most, beside those that PlanStorage counts.
  std::int64_t other_memory = 0;
};

struct TrialOptions {
  std::uint32_t threads = 1;
  double seconds = 1;  ///< Of training, or an epoch where that is less.
};

/// Makes the rows and reads the samples of the whole job, whatever its budget. Errors are Member's:
/// ResourceExhausted where there is no memory.
absl::StatusOr<TrialFigures> RunTrial(Job job, const TrainingData& data,
                                      const TrialOptions& options);

/// Writes a data set with every `every`-th user of `data`, and all that it has of them, to the new
/// folder `folder`. Errors are DatasetWriter's.
absl::Status WriteThinned(const Dataset& data, std::uint32_t every, const std::string& folder);

}  // namespace cf
