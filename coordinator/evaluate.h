#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "common/metrics/metrics.h"

namespace cf {

struct EvaluateOptions {
  std::string snapshot;           ///< A manifest, or RUN/snapshots/best or latest.
  std::string data;               ///< Folder of the data set; empty: where the job had it.
  bool training_samples = false;  ///< The training samples instead of the validation samples.
};

struct Evaluation {
  Figures figures;
  std::string split;  ///< As results name it: "random .1, seed 42".
};

/// The figures of a snapshot by the code, the split and the order of operations of its training, so
/// that an epoch's validation is repeated to the last bit. FailedPrecondition: another data set
/// than the snapshot's, or no validation samples.
absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options);

}  // namespace cf
