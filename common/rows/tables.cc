#include "common/rows/tables.h"

#include "common/base/check.h"

namespace cf {
namespace {

std::uint32_t SlotsOf(const Optimizer& optimizer) {
  switch (optimizer.kind_case()) {
    case Optimizer::kAdam:
      return 2;
    case Optimizer::kAdagrad:
      return 1;
    case Optimizer::kSgd:
      return 0;
    case Optimizer::KIND_NOT_SET:
      break;
  }
  Check(false, "a validated job has an optimizer");
  return 0;
}

}  // namespace

std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items) {
  Check(job.model().has_matrix_factorization(), "a validated job has a model");
  const MatrixFactorization& model = job.model().matrix_factorization();
  const auto table = [&](const char* name, std::uint32_t rows) {
    return TableSpec{.shape = {.name = name,
                               .rows = rows,
                               .dim = model.dim(),
                               .biases = model.biases(),
                               .slots = SlotsOf(job.optimizer())},
                     .vectors = model.vectors(),
                     .biases = model.bias_values(),
                     .l2_vectors = model.l2_vectors(),
                     .l2_biases = model.l2_biases()};
  };
  return {table("users", users), table("items", items)};
}

Objective ObjectiveOf(const Job& job, double mean, float rating_min, float rating_max) {
  const MatrixFactorization& model = job.model().matrix_factorization();
  Objective objective;
  switch (model.link()) {
    case MatrixFactorization::SIGMOID:
      objective.link = Objective::Link::kSigmoid;
      break;
    case MatrixFactorization::SCALED_SIGMOID:
      objective.link = Objective::Link::kScaledSigmoid;
      break;
    default:
      objective.link = Objective::Link::kIdentity;
  }
  objective.loss = model.loss() == MatrixFactorization::BCE ? Objective::Loss::kCrossEntropy
                                                            : Objective::Loss::kSquared;
  objective.mean = model.mean() ? static_cast<float>(mean) : 0.0F;
  objective.rating_min = rating_min;
  objective.rating_range = rating_max - rating_min;
  objective.inverse_batch = 1.0F / static_cast<float>(job.train().batch_size());
  return objective;
}

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables) {
  std::vector<RowLayout> layouts;
  for (const TableSpec& table : tables) layouts.emplace_back(table.shape);
  return layouts;
}

}  // namespace cf
