#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "coordinator/measure.h"

namespace cf {

struct EvaluateOptions {
  std::string snapshot = {};      ///< A manifest, or RUN/snapshots/best or latest.
  std::string data = {};          ///< Folder of the data set; empty: where the job had it.
  bool training_samples = false;  ///< The training samples instead of the validation samples.
  /// Figures beside the loss, rmse and mae, as validation.metrics has them, with any of the
  /// prefixes val_, train_ and test_ or none; empty: those of the job.
  std::vector<std::string> metrics = {};
  /// What ranks are measured of, instead of these samples. Nothing else is measured then.
  std::optional<RankedPairs> pairs = {};
  /// Bytes that may be filled with rows and samples; 0: any number. Rows that there is no room for
  /// are in `directory` meanwhile, as in training.
  std::uint64_t memory = 0;
  std::string directory = {};
};

/// The figures of a snapshot by the code, the split and the order of operations of its training, so
/// that an epoch's validation is repeated to the last bit. Names of figures begin with what they
/// are of: val_, train_, or test_ with pairs. Of training samples and pairs, each is a positive
/// that is always among the candidates. FailedPrecondition: another data set than the snapshot's, a
/// job that this program would not run, no samples, or too little memory, with the number that
/// would do. InvalidArgument: a metric that the model does not have.
absl::StatusOr<Evaluation> EvaluateSnapshot(const EvaluateOptions& options);

}  // namespace cf
