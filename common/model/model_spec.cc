#include "common/model/model_spec.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/config/config.h"
#include "common/model/kinds.h"

namespace cf {
namespace {

Objective::Link LinkOf(Fit::Link link) {
  switch (link) {
    case Fit::SIGMOID:
      return Objective::Link::kSigmoid;
    case Fit::SCALED_SIGMOID:
      return Objective::Link::kScaledSigmoid;
    case Fit::STANDARDIZED:
      return Objective::Link::kStandardized;
    default:
      return Objective::Link::kIdentity;
  }
}

void AddLayerTables(const NetworkSpec& network, std::uint32_t moments,
                    std::vector<TableSpec>& tables) {
  for (std::size_t l = 0; l < network.shape.layers.size(); ++l) {
    const LayerShape& shape = network.shape.layers[l];
    const Dense& layer = network.layers[static_cast<int>(l)];
    tables.push_back({.shape = {.name = absl::StrCat(network.name, "_", l),
                                .rows = 1,
                                .dim = static_cast<std::uint32_t>(shape.weights()),
                                .biases = false,
                                .moments = moments},
                      .layer = shape,
                      .vectors = layer.kernel(),
                      .biases = layer.bias()});
  }
}

}  // namespace

std::unique_ptr<const ModelSpec> ModelSpec::Make(const Job& job) {
  const std::span<const ModelKind> kinds = ModelKinds();
  const auto kind = std::ranges::find(kinds, job.model().kind_case(), &ModelKind::kind);
  Check(kind != kinds.end(), "a validated job has a model of a kind that is in the list");
  return kind->make(job);
}

ModelSpec::ModelSpec(Job job, Traits traits) : job_(std::move(job)), traits_(std::move(traits)) {
}

const std::string& ModelSpec::kind_name() const {
  return Model::descriptor()->FindFieldByNumber(kind())->name();
}

std::size_t ModelSpec::layers() const {
  std::size_t layers = 0;
  for (const NetworkSpec& network : traits_.networks) layers += network.shape.layers.size();
  return layers;
}

std::uint32_t ModelSpec::moments() const {
  switch (job_.optimizer().kind_case()) {
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

std::vector<TableSpec> ModelSpec::Tables(const RowCounts& rows) const {
  Check(rows.features.size() == traits_.features.size(),
        "the rows of every feature's table are known");
  std::vector<TableSpec> tables = EntryTables(rows.users, rows.items);
  for (const NetworkSpec& network : traits_.networks) {
    AddLayerTables(network, moments(), tables);
  }
  for (std::size_t k = 0; k < traits_.features.size(); ++k) {
    tables.push_back(FeatureTable(traits_.features[k], rows.features[k]));
  }
  const bool dense = job_.optimizer().adam().update() == Adam::DENSE;
  for (TableSpec& table : tables) table.shape.last_step = dense && table.shape.moments > 0;
  return tables;
}

TableSpec ModelSpec::FeatureTable(const Feature& feature, std::uint32_t rows) const {
  Initial zeros;
  zeros.mutable_zeros();
  return TableSpec{.shape = {.name = FeatureTableName(feature.source()),
                             .rows = rows,
                             .dim = feature.dim(),
                             .biases = traits_.feature_biases,
                             .moments = moments()},
                   .layer = {},
                   .vectors = feature.vectors(),
                   .biases = zeros,
                   .l2_vectors = feature.l2(),
                   .l2_biases = feature.l2_biases(),
                   .bias_rate = traits_.feature_bias_rate};
}

Objective ModelSpec::ObjectiveFor(const RatingStatistics& ratings) const {
  Objective objective;
  objective.link = LinkOf(traits_.link);
  objective.loss =
      traits_.loss == Fit::BCE ? Objective::Loss::kCrossEntropy : Objective::Loss::kSquared;
  objective.rating_deviation = static_cast<float>(ratings.deviation);
  const double unit = traits_.link == Fit::STANDARDIZED ? ratings.deviation : 1;
  objective.mean = traits_.adds_mean ? static_cast<float>(ratings.mean / unit) : 0.0F;
  // What is predicted of interactions is a probability, whatever their ratings are.
  const std::uint32_t negatives = traits_.negatives;
  objective.rating_min = negatives > 0 ? 0.0F : ratings.min;
  objective.rating_range = negatives > 0 ? 1.0F : ratings.max - ratings.min;
  const auto batch = static_cast<float>(std::uint64_t{job_.train().batch_size()} * (1 + negatives));
  objective.inverse_batch = traits_.sums_gradients ? 1.0F : 1.0F / batch;
  return objective;
}

bool ModelSpec::predicts_ratings() const {
  return PredictsRatings(job_);
}

std::string ModelSpec::RatingText(const std::string& raw) const {
  if (traits_.link == Fit::IDENTITY) return absl::StrCat("rating = ", raw);
  if (traits_.link == Fit::STANDARDIZED) {
    return absl::StrCat("rating = rating_deviation * x, x = ", raw);
  }
  return absl::StrCat("rating = rating_min + (rating_max - rating_min) / (1 + exp(-x)), x = ", raw);
}

}  // namespace cf
