#include "coordinator/warnings.h"

#include <algorithm>
#include <cmath>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/model/optimizer.h"
#include "coordinator/lasting_error.h"

namespace cf {
namespace {

// By how much a figure may change in the last epoch of a training that has come to its end.
constexpr double kStillImproving = 2e-3;
// A rate that is below this share of the job's has fallen.
constexpr double kRateHasFallen = 0.5;
constexpr double kDivergedTimes = 2;
constexpr double kAsGood =
    1.002;  // What biases that are trained may be beside those in closed form.

std::optional<std::string> StillImproving(const FinishedJob& finished) {
  if (finished.last.epoch < finished.job.train().epochs() || !finished.before_last.has_value() ||
      finished.best.epoch != finished.last.epoch) {
    return std::nullopt;
  }
  const std::optional<double> before = finished.before_last->figures.Find(finished.monitor);
  const std::optional<double> last = finished.last.figures.Find(finished.monitor);
  if (!before.has_value() || !last.has_value()) return std::nullopt;
  const double gain = finished.smaller_is_better ? *before - *last : *last - *before;
  if (gain < kStillImproving * std::abs(*before)) return std::nullopt;
  return absl::StrFormat(
      "%s was still improving in the last epoch (%.4f, then %.4f): raise train.epochs",
      finished.monitor, *before, *last);
}

/// Why a model is worse than biases alone, and what to do.
std::string WhyWorse(const FinishedJob& finished) {
  const std::optional<double> train_rmse = finished.last.figures.Find("train_rmse");
  if (!train_rmse.has_value()) return "";
  const std::string both =
      absl::StrFormat("(train_rmse %.4f, theirs %.4f)", *train_rmse, finished.train_rmse_of_biases);
  if (*train_rmse < finished.train_rmse_of_biases) {
    return absl::StrCat(": it knows the training samples by heart ", both,
                        ": raise L2 or have shorter vectors");
  }
  const char* const start = finished.job.model().matrix_factorization().start_from_baseline()
                                ? ""
                                : ", or start from the baseline";
  const std::optional<double> rate = finished.last.figures.Find("learning_rate");
  if (rate.has_value() && *rate < kRateHasFallen * LearningRateOf(finished.job.optimizer())) {
    return absl::StrCat(": the learning rate had fallen before the biases arrived ", both,
                        ": let it fall later", start);
  }
  return absl::StrCat(": on the training samples, too, it has not reached them ", both,
                      ": raise train.epochs or the learning rate", start);
}

std::optional<std::string> NeverBetterThanStart(const FinishedJob& finished) {
  if (finished.best.epoch > 0) return std::nullopt;
  const std::optional<double> start = finished.best.figures.Find(finished.monitor);
  const std::optional<double> last = finished.last.figures.Find(finished.monitor);
  if (!start.has_value() || !last.has_value()) return std::nullopt;
  return absl::StrFormat(
      "no epoch was better than the biases that training started from (%s %.4f, in the end "
      "%.4f)%s; "
      "see docs/configuration.md#warnings",
      finished.monitor, *start, *last, WhyWorse(finished));
}

std::optional<std::string> WorseThanBiases(const FinishedJob& finished) {
  const std::optional<double> rmse = finished.best.figures.Find("val_rmse");
  if (!rmse.has_value() || !finished.rmse_of_biases.has_value()) return std::nullopt;
  if (*rmse <= kAsGood * *finished.rmse_of_biases) return std::nullopt;
  return absl::StrFormat(
      "val_rmse %.4f is worse than that of a mean and biases alone (%.4f)%s; see "
      "docs/configuration.md#warnings",
      *rmse, *finished.rmse_of_biases, WhyWorse(finished));
}

}  // namespace

absl::Status CheckConverging(const std::optional<EpochFigures>& before, const EpochFigures& now,
                             const RatingSpread& ratings) {
  if (!before.has_value()) return absl::OkStatus();
  const std::optional<double> first = before->figures.Find("val_rmse");
  const std::optional<double> second = now.figures.Find("val_rmse");
  if (!first.has_value() || !second.has_value()) return absl::OkStatus();
  // A model that begins at zero is no worse than that, and falls.
  const double nothing = std::hypot(ratings.mean, ratings.deviation);
  const bool falls = *second < *first && *second <= kDivergedTimes * nothing;
  const double most = kDivergedTimes * ratings.deviation;
  if (ratings.deviation == 0 || std::min(*first, *second) <= most || falls) return absl::OkStatus();
  return LastingError(absl::StrFormat(
      "diverged: val_rmse %.4g in epoch %d and %.4g in epoch %d, above twice the deviation of the "
      "ratings (%.4g); lower the learning rate (the last snapshot stays)",
      *first, before->epoch, *second, now.epoch, ratings.deviation));
}

std::vector<std::string> WarningsOf(const FinishedJob& finished) {
  std::vector<std::string> warnings;
  for (const std::optional<std::string>& warning :
       {NeverBetterThanStart(finished), WorseThanBiases(finished), StillImproving(finished)}) {
    if (warning.has_value()) warnings.push_back(*warning);
  }
  return warnings;
}

}  // namespace cf
