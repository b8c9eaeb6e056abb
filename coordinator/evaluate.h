#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/metrics/metrics.h"
#include "coordinator/history.h"

namespace cf {

struct EvaluateOptions {
  std::string snapshot;           ///< A manifest, or RUN/snapshots/best or latest.
  std::string data;               ///< Folder of the data set; empty: where the job had it.
  bool training_samples = false;  ///< The training samples instead of the validation samples.
  /// Figures beside the loss, rmse and mae, as validation.metrics has them; none: those of the job.
  std::vector<std::string> metrics = {};
};

struct Evaluation {
  Figures figures = {};
  std::vector<NamedFigure> others = {};  ///< In the order asked for.
  /// What others of ranking were made on: "943 users with ..."; else empty.
  std::string ranked = {};
  std::string split = {};  ///< As results name it: "random .1, seed 42".
  bool has_errors = true;  ///< Else the model predicts no ratings, and figures' errors are none.
};

/// The figures of a snapshot by the code, the split and the order of operations of its training, so
/// that an epoch's validation is repeated to the last bit. FailedPrecondition: another data set
/// than the snapshot's, or no validation samples. InvalidArgument: a metric that the
/// model or these samples do not have.
absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options);

}  // namespace cf
