#include "common/model/kinds.h"

#include "common/model/factorization.h"
#include "common/model/popularity.h"
#include "common/model/ranker.h"
#include "common/model/retrieval.h"

namespace cf {
namespace {

constexpr ModelKind kKinds[] = {
    {Model::kMatrixFactorization, &MakeFactorization},
    {Model::kRanker, &MakeRanker},
    {Model::kRetrieval, &MakeRetrieval},
    {Model::kPopularity, &MakePopularity},
};

}  // namespace

std::span<const ModelKind> ModelKinds() {
  return kKinds;
}

}  // namespace cf
