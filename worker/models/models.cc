#include "worker/models/models.h"

#include <algorithm>

#include "common/base/check.h"
#include "worker/models/pair_model.h"
#include "worker/models/popularity_model.h"
#include "worker/models/ranker_model.h"
#include "worker/models/tower_model.h"

namespace cf {
namespace {

constexpr StepKind kKinds[] = {
    {Model::kMatrixFactorization, &MakePairModel},
    {Model::kRanker, &MakeRankerModel},
    {Model::kRetrieval, &MakeTowerModel},
    {Model::kPopularity, &MakePopularityModel},
};

}  // namespace

std::span<const StepKind> StepKinds() {
  return kKinds;
}

std::unique_ptr<StepModel> MakeStepModel(const StepModel::Options& options) {
  const std::span<const StepKind> kinds = StepKinds();
  const auto kind = std::ranges::find(kinds, options.model->kind(), &StepKind::kind);
  Check(kind != kinds.end(), "every kind of model has its steps in the list");
  return kind->make(options);
}

}  // namespace cf
