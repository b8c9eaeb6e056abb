#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "coordinator/measure.h"

namespace cf {

struct EvaluateOptions {
  std::string snapshot;           ///< A manifest, or RUN/snapshots/best or latest.
  std::string data;               ///< Folder of the data set; empty: where the job had it.
  bool training_samples = false;  ///< The training samples instead of the validation samples.
  /// Figures beside the loss, rmse and mae, as validation.metrics has them; none: those of the job.
  std::vector<std::string> metrics = {};
};

/// The figures of a snapshot by the code, the split and the order of operations of its training, so
/// that an epoch's validation is repeated to the last bit. FailedPrecondition: another data set
/// than the snapshot's, or no validation samples. InvalidArgument: a metric that the
/// model or these samples do not have.
absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options);

}  // namespace cf
