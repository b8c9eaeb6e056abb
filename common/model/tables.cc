#include "common/model/tables.h"

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
                     .l2_biases = model.l2_biases(),
                     .bias_rate = model.bias_rate()};
  };
  return {table("users", users), table("items", items)};
}

/// Of an Embedding or a Tower.
template <class Options>
TableSpec EmbeddingTable(const char* name, std::uint32_t rows, const Options& options,
                         std::uint32_t slots) {
  return TableSpec{
      .shape = {.name = name, .rows = rows, .dim = options.dim(), .biases = false, .slots = slots},
      .layer = {},
      .vectors = options.vectors(),
      .biases = {},
      .l2_vectors = options.l2()};
}

using Layers = google::protobuf::RepeatedPtrField<Dense>;

NetworkShape LayersOn(std::uint32_t inputs, double dropout, const Layers& layers) {
  NetworkShape network{.inputs = inputs, .dropout = dropout, .layers = {}};
  for (const Dense& layer : layers) {
    network.layers.push_back({.inputs = inputs,
                              .units = layer.units(),
                              .relu = layer.activation() == Dense::RELU,
                              .dropout = layer.dropout()});
    inputs = layer.units();
  }
  return network;
}

/// Adds a table `name`_0 and so on for each layer.
void AddLayerTables(const std::string& name, const NetworkShape& network, const Layers& options,
                    std::uint32_t slots, std::vector<TableSpec>& tables) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Dense& layer = options[static_cast<int>(l)];
    tables.push_back({.shape = {.name = absl::StrCat(name, "_", l),
                                .rows = 1,
                                .dim = static_cast<std::uint32_t>(network.layers[l].weights()),
                                .biases = false,
                                .slots = slots},
                      .layer = network.layers[l],
                      .vectors = layer.kernel(),
                      .biases = layer.bias()});
  }
}

std::vector<TableSpec> RetrievalTables(const Job& job, std::uint32_t users, std::uint32_t items) {
  const Retrieval& model = job.model().retrieval();
  const std::uint32_t slots = SlotsOf(job.optimizer());
  std::vector<TableSpec> tables = {EmbeddingTable("users", users, model.user(), slots),
                                   EmbeddingTable("items", items, model.item(), slots)};
  const TowerShapes towers = *TowersOf(job);
  AddLayerTables("user_dense", towers.user, model.user().dense(), slots, tables);
  AddLayerTables("item_dense", towers.item, model.item().dense(), slots, tables);
  return tables;
}

std::vector<TableSpec> RankerTables(const Job& job, std::uint32_t users, std::uint32_t items) {
  const Ranker& model = job.model().ranker();
  const std::uint32_t slots = SlotsOf(job.optimizer());
  std::vector<TableSpec> tables = {EmbeddingTable("users", users, model.user(), slots),
                                   EmbeddingTable("items", items, model.item(), slots)};
  AddLayerTables("dense", RankerOf(job)->network, model.dense(), slots, tables);
  return tables;
}

/// Tables without vectors, alike as those of a factorisation are: the users' biases stay 0.
std::vector<TableSpec> PopularityTables(std::uint32_t users, std::uint32_t items) {
  Initial zeros;
  zeros.mutable_zeros();
  const auto table = [&zeros](const char* name, std::uint32_t rows) {
    return TableSpec{.shape = {.name = name, .rows = rows, .dim = 0, .biases = true, .slots = 0},
                     .layer = {},
                     .vectors = zeros,
                     .biases = zeros};
  };
  return {table("users", users), table("items", items)};
}

TableSpec FeatureTable(const Job& job, const Feature& feature, std::uint32_t rows) {
  const bool biases =
      job.model().has_matrix_factorization() && job.model().matrix_factorization().biases();
  Initial zeros;
  zeros.mutable_zeros();
  return TableSpec{.shape = {.name = FeatureTableName(feature.source()),
                             .rows = rows,
                             .dim = feature.dim(),
                             .biases = biases,
                             .slots = SlotsOf(job.optimizer())},
                   .layer = {},
                   .vectors = feature.vectors(),
                   .biases = zeros,
                   .l2_vectors = feature.l2(),
                   .l2_biases = feature.l2_biases(),
                   .bias_rate = job.model().matrix_factorization().bias_rate()};
}

std::vector<TableSpec> TablesWithoutFeatures(const Job& job, std::uint32_t users,
                                             std::uint32_t items) {
  if (job.model().has_ranker()) return RankerTables(job, users, items);
  if (job.model().has_retrieval()) return RetrievalTables(job, users, items);
  if (job.model().has_popularity()) return PopularityTables(users, items);
  Check(job.model().has_matrix_factorization(), "a validated job has a model");
  return FactorizationTables(job, users, items);
}

}  // namespace

const google::protobuf::RepeatedPtrField<Feature>& FeaturesOf(const Job& job) {
  // Of a kind that was not chosen there are none.
  return job.model().has_ranker() ? job.model().ranker().feature()
                                  : job.model().matrix_factorization().feature();
}

const char* FeatureTableName(Feature::Source source) {
  switch (source) {
    case Feature::ITEM_GENRES:
      return "genres";
    case Feature::TIMESTAMP_YEAR:
      return "timestamp_year";
    case Feature::TIMESTAMP_WEEKDAY:
      return "timestamp_weekday";
    case Feature::USER_HISTORY:
      return "history";
    case Feature::SOURCE_UNSPECIFIED:
      break;
  }
  Check(false, "a validated job's features have a source");
  return "";
}

std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items,
                                std::span<const std::uint32_t> feature_rows) {
  const google::protobuf::RepeatedPtrField<Feature>& features = FeaturesOf(job);
  Check(feature_rows.size() == static_cast<std::size_t>(features.size()),
        "the rows of every feature's table are known");
  std::vector<TableSpec> tables = TablesWithoutFeatures(job, users, items);
  for (int k = 0; k < features.size(); ++k) {
    tables.push_back(FeatureTable(job, features[k], feature_rows[static_cast<std::size_t>(k)]));
  }
  return tables;
}

TableId FirstFeatureOf(const Job& job) {
  const std::optional<RankerShape> ranker = RankerOf(job);
  const std::optional<TowerShapes> towers = TowersOf(job);
  const std::size_t layers = ranker.has_value()   ? ranker->network.layers.size()
                             : towers.has_value() ? towers->layers()
                                                  : 0;
  return TableId{static_cast<std::uint32_t>(Index(kFirstLayer) + layers)};
}

std::optional<RankerShape> RankerOf(const Job& job) {
  if (!job.model().has_ranker()) return std::nullopt;
  const Ranker& model = job.model().ranker();
  const std::uint32_t user_dim = model.user().dim();
  const std::uint32_t item_dim = model.item().dim();
  std::uint32_t inputs = user_dim + item_dim;
  std::vector<std::uint32_t> feature_dims;
  for (const Feature& feature : model.feature()) {
    feature_dims.push_back(feature.dim());
    inputs += feature.dim();
  }
  return RankerShape{.user_dim = user_dim,
                     .item_dim = item_dim,
                     .item_first = model.item_first(),
                     .feature_dims = feature_dims,
                     .network = LayersOn(inputs, model.dropout(), model.dense())};
}

std::optional<TowerShapes> TowersOf(const Job& job) {
  if (!job.model().has_retrieval()) return std::nullopt;
  const Retrieval& model = job.model().retrieval();
  return TowerShapes{.user = LayersOn(model.user().dim(), 0, model.user().dense()),
                     .item = LayersOn(model.item().dim(), 0, model.item().dense())};
}

std::optional<SoftmaxShape> SoftmaxOf(const Job& job) {
  if (!job.model().has_retrieval()) return std::nullopt;
  const Retrieval& model = job.model().retrieval();
  const bool mean = model.reduction() == Retrieval::MEAN;
  return SoftmaxShape{.dim = TowersOf(job)->item.outputs(),
                      .inverse_temperature = static_cast<float>(1.0 / model.temperature()),
                      .weight = mean ? 1.0F / static_cast<float>(job.train().batch_size()) : 1.0F,
                      .logq_correction = model.logq_correction(),
                      .remove_accidental_hits = model.remove_accidental_hits()};
}

MatrixFactorization::Link LinkOf(const Job& job) {
  return job.model().has_ranker() ? job.model().ranker().link()
                                  : job.model().matrix_factorization().link();
}

std::uint32_t NegativesOf(const Job& job) {
  return job.model().matrix_factorization().negatives();
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
  const std::uint32_t negatives = NegativesOf(job);
  objective.rating_min = negatives > 0 ? 0.0F : rating_min;
  objective.rating_range = negatives > 0 ? 1.0F : rating_max - rating_min;
  const bool sum =
      job.model().has_matrix_factorization() && factorization.reduction() == Retrieval::SUM;
  const auto batch = static_cast<float>(std::uint64_t{job.train().batch_size()} * (1 + negatives));
  objective.inverse_batch = sum ? 1.0F : 1.0F / batch;
  return objective;
}

std::optional<BlockSchedule> BlocksOf(const Job& job, std::uint64_t steps_per_epoch) {
  const Train& train = job.train();
  if (train.schedule() != Train::BLOCKS) return std::nullopt;
  return BlockSchedule(train.partitions(), train.rounds(), steps_per_epoch);
}

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables) {
  std::vector<RowLayout> layouts;
  for (const TableSpec& table : tables) layouts.emplace_back(table.shape);
  return layouts;
}

}  // namespace cf
