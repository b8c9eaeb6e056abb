#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/config/job.pb.h"
#include "common/metrics/metrics.h"

namespace cf {

/// Of the training samples.
struct RatingSpread {
  double mean = 0;
  double deviation = 0;
};

/// Internal, with both figures, where val_rmse has been above twice the deviation of the ratings in
/// two epochs, one after the other, and does not fall, or is above twice the error of who predicts 0:
/// the model has diverged, and more epochs would not bring it back.
absl::Status CheckConverging(const std::optional<EpochFigures>& before, const EpochFigures& now,
                             const RatingSpread& ratings);

/// What is known of a finished job.
struct FinishedJob {
  const Job& job;
  /// The epoch before the last; nothing if there is none.
  std::optional<EpochFigures> before_last;
  EpochFigures last;
  EpochFigures best;
  /// The figure that decided which epoch was the best, and how.
  std::string monitor;
  bool smaller_is_better = true;
  /// RmseOfBiases, where the model learns ratings and there are validation samples.
  std::optional<double> rmse_of_biases = {};
  double train_rmse_of_biases = 0;
};

/// What whoever ran the job should know, a line each: no epoch was better than the start, or it ended
/// worse than biases alone, and why; it was still improving.
std::vector<std::string> WarningsOf(const FinishedJob& finished);

}  // namespace cf
