#include "common/rows/tables.h"

#include <absl/strings/str_cat.h>

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

std::vector<TableSpec> FactorizationTables(const Job& job, std::uint32_t users,
                                           std::uint32_t items) {
  const MatrixFactorization& model = job.model().matrix_factorization();
  const auto table = [&](const char* name, std::uint32_t rows) {
    return TableSpec{.shape = {.name = name,
                               .rows = rows,
                               .dim = model.dim(),
                               .biases = model.biases(),
                               .slots = SlotsOf(job.optimizer())},
                     .layer = {},
                     .vectors = model.vectors(),
                     .biases = model.bias_values(),
                     .l2_vectors = model.l2_vectors(),
                     .l2_biases = model.l2_biases()};
  };
  return {table("users", users), table("items", items)};
}

TableSpec EmbeddingTable(const char* name, std::uint32_t rows, const Embedding& options,
                         std::uint32_t slots) {
  return TableSpec{
      .shape = {.name = name, .rows = rows, .dim = options.dim(), .biases = false, .slots = slots},
      .layer = {},
      .vectors = options.vectors(),
      .biases = {},
      .l2_vectors = options.l2()};
}

std::vector<TableSpec> RetrievalTables(const Job& job, std::uint32_t users, std::uint32_t items) {
  const Retrieval& model = job.model().retrieval();
  const std::uint32_t slots = SlotsOf(job.optimizer());
  return {EmbeddingTable("users", users, model.user(), slots),
          EmbeddingTable("items", items, model.item(), slots)};
}

std::vector<TableSpec> RankerTables(const Job& job, std::uint32_t users, std::uint32_t items) {
  const Ranker& model = job.model().ranker();
  const std::uint32_t slots = SlotsOf(job.optimizer());
  std::vector<TableSpec> tables = {EmbeddingTable("users", users, model.user(), slots),
                                   EmbeddingTable("items", items, model.item(), slots)};
  const NetworkShape network = *NetworkOf(job);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Dense& options = model.dense(static_cast<int>(l));
    tables.push_back({.shape = {.name = absl::StrCat("dense_", l),
                                .rows = 1,
                                .dim = static_cast<std::uint32_t>(network.layers[l].weights()),
                                .biases = false,
                                .slots = slots},
                      .layer = network.layers[l],
                      .vectors = options.kernel(),
                      .biases = options.bias()});
  }
  return tables;
}

}  // namespace

std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items) {
  if (job.model().has_ranker()) return RankerTables(job, users, items);
  if (job.model().has_retrieval()) return RetrievalTables(job, users, items);
  Check(job.model().has_matrix_factorization(), "a validated job has a model");
  return FactorizationTables(job, users, items);
}

std::optional<NetworkShape> NetworkOf(const Job& job) {
  if (!job.model().has_ranker()) return std::nullopt;
  const Ranker& model = job.model().ranker();
  NetworkShape network{.user_dim = model.user().dim(),
                       .item_dim = model.item().dim(),
                       .item_first = model.item_first(),
                       .dropout = model.dropout(),
                       .layers = {}};
  std::uint32_t inputs = network.inputs();
  for (const Dense& layer : model.dense()) {
    network.layers.push_back({.inputs = inputs,
                              .units = layer.units(),
                              .relu = layer.activation() == Dense::RELU,
                              .dropout = layer.dropout()});
    inputs = layer.units();
  }
  return network;
}

std::optional<SoftmaxShape> SoftmaxOf(const Job& job) {
  if (!job.model().has_retrieval()) return std::nullopt;
  const Retrieval& model = job.model().retrieval();
  const bool mean = model.reduction() == Retrieval::MEAN;
  return SoftmaxShape{.dim = model.item().dim(),
                      .inverse_temperature = static_cast<float>(1.0 / model.temperature()),
                      .weight = mean ? 1.0F / static_cast<float>(job.train().batch_size()) : 1.0F,
                      .logq_correction = model.logq_correction(),
                      .remove_accidental_hits = model.remove_accidental_hits()};
}

MatrixFactorization::Link LinkOf(const Job& job) {
  return job.model().has_ranker() ? job.model().ranker().link()
                                  : job.model().matrix_factorization().link();
}

Objective ObjectiveOf(const Job& job, double mean, float rating_min, float rating_max) {
  const MatrixFactorization& factorization = job.model().matrix_factorization();
  const bool ranker = job.model().has_ranker();
  const MatrixFactorization::Loss loss =
      ranker ? job.model().ranker().loss() : factorization.loss();
  Objective objective;
  switch (LinkOf(job)) {
    case MatrixFactorization::SIGMOID:
      objective.link = Objective::Link::kSigmoid;
      break;
    case MatrixFactorization::SCALED_SIGMOID:
      objective.link = Objective::Link::kScaledSigmoid;
      break;
    default:
      objective.link = Objective::Link::kIdentity;
  }
  objective.loss =
      loss == MatrixFactorization::BCE ? Objective::Loss::kCrossEntropy : Objective::Loss::kSquared;
  objective.mean = job.model().has_matrix_factorization() && factorization.mean()
                       ? static_cast<float>(mean)
                       : 0.0F;
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
