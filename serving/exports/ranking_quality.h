#pragma once

#include <optional>

#include <absl/status/statusor.h>

#include "serving/exports/format.h"
#include "serving/exports/precision.h"

namespace cf {

/// NDCG@10 of the validation samples among all items but the user's training samples.
struct RankingCost {
  double before = 0;  ///< With the model's weights: what `cfsnapshot evaluate` says of ndcg_10.
  double after = 0;   ///< With the vectors of users and items at a precision.
};

/// What a precision costs, by the scorer and the formulas of evaluation. Nothing where there is no
/// such figure: no sample was kept for validation, or the model scores only pairs of the data set.
/// Errors are those of ServedModel::VisitUsers.
///
/// Takes as long as two evaluations, and memory for the items once more.
absl::StatusOr<std::optional<RankingCost>> MeasureRankingCost(const ExportSubject& subject,
                                                              Precision precision);

}  // namespace cf
