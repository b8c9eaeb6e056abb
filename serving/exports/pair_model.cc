#include "serving/exports/pair_model.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "serving/substance.h"

namespace cf {
namespace {

using Substances = std::shared_ptr<const Substance>;

// Gives out a row for each user or item in order.
using TakeRow = std::function<absl::Status(std::span<const float> row)>;
using VisitRows = std::function<absl::Status(const TakeRow& take)>;

// `rows` rows of `dim` floats and the mean of those that are `learned`, behind them.
ModelArray WithMeanRow(const char* name, RowsOf rows_of, std::uint32_t rows, std::uint32_t dim,
                       const VisitRows& visit, const std::function<bool(std::uint32_t)>& learned) {
  return {.name = name,
          .rows_of = rows_of,
          .shape = {std::uint64_t{rows} + 1, dim},
          .visit = [=](const TakeElements& take) {
            std::vector<double> sums(dim, 0.0);
            std::uint32_t row = 0;
            std::uint32_t counted = 0;
            absl::Status visited = visit([&](std::span<const float> floats) {
              if (learned(row++)) {
                ++counted;
                for (std::uint32_t k = 0; k < dim; ++k) sums[k] += static_cast<double>(floats[k]);
              }
              return take(floats.data(), floats.size_bytes());
            });
            if (!visited.ok()) return visited;
            std::vector<float> mean;
            for (const double sum : sums) {
              mean.push_back(static_cast<float>(sum / std::max(counted, 1U)));
            }
            return take(mean.data(), mean.size() * sizeof(float));
          }};
}

// Vectors of features that stand behind those of users or items.
std::vector<const WeightTable*> FeaturesOf(const ServedModel& model, FeatureSide side) {
  std::vector<const WeightTable*> tables;
  if (model.spec().adds_features()) return tables;
  for (const ServedFeature& feature : model.features()) {
    if (feature.lists.side() == side) tables.push_back(&feature.composed);
  }
  return tables;
}

std::uint32_t DimOf(std::uint32_t dim, const std::vector<const WeightTable*>& features) {
  for (const WeightTable* feature : features) dim += feature->dim();
  return dim;
}

void AppendFeatures(const std::vector<const WeightTable*>& features, std::uint32_t row,
                    std::vector<float>& to) {
  for (const WeightTable* feature : features) {
    const float* const vector = feature->vector(RowId{row});
    to.insert(to.end(), vector, vector + feature->dim());
  }
}

bool HasItemBiases(const ServedModel& model) {
  const std::span<const float> biases(model.items().biases(), model.items().rows());
  return !model.has_towers() && std::ranges::any_of(biases, [](float bias) { return bias != 0; });
}

ModelArray Users(const ServedModel& model, const Substances& substance) {
  const std::vector<const WeightTable*> features = FeaturesOf(model, FeatureSide::kUser);
  const bool folds = HasItemBiases(model);
  const VisitRows visit = [&model, features, folds](const TakeRow& take) {
    std::vector<float> row;
    std::uint32_t number = 0;
    const auto take_user = [&](std::span<const float> vector) {
      row.assign(vector.begin(), vector.end());
      AppendFeatures(features, number++, row);
      if (folds) row.push_back(1);
      return take(row);
    };
    if (!model.has_towers()) {
      return model.VisitUsers(
          [&](std::span<const float> vector, float) { return take_user(vector); });
    }
    const WeightTable& table = model.user_embeddings();
    absl::Status taken;
    for (std::uint32_t k = 0; k < table.rows() && taken.ok(); ++k) {
      taken = take_user({table.vector(RowId{k}), table.dim()});
    }
    return taken;
  };
  const std::uint32_t dim =
      DimOf(model.has_towers() ? model.user_embeddings().dim() : model.users().dim(), features) +
      (folds ? 1 : 0);
  return WithMeanRow("users", RowsOf::kUser, model.users().rows(), dim, visit,
                     [substance](std::uint32_t row) { return substance->OfUser(RowId{row}); });
}

ModelArray Items(const ServedModel& model, const Substances& substance) {
  const std::vector<const WeightTable*> features = FeaturesOf(model, FeatureSide::kItem);
  const bool folds = HasItemBiases(model);
  const WeightTable& table = model.item_embeddings();
  const VisitRows visit = [&table, features, folds](const TakeRow& take) {
    std::vector<float> row;
    absl::Status taken;
    for (std::uint32_t k = 0; k < table.rows() && taken.ok(); ++k) {
      const float* const vector = table.vector(RowId{k});
      row.assign(vector, vector + table.dim());
      AppendFeatures(features, k, row);
      if (folds) row.push_back(table.bias(RowId{k}));
      taken = take(row);
    }
    return taken;
  };
  return WithMeanRow("items", RowsOf::kItem, table.rows(),
                     DimOf(table.dim(), features) + (folds ? 1 : 0), visit,
                     [substance](std::uint32_t row) { return substance->OfItem(RowId{row}); });
}

ModelArray Constants(const ServedModel& model, const Substances& substance) {
  const bool dense =
      model.spec().networks().size() == 1 && model.spec().networks()[0].role == NetworkRole::kPair;
  const VisitRows visit = [&model, dense](const TakeRow& take) {
    return model.VisitUsers([&](std::span<const float>, float bias) {
      const float constant = dense ? 0 : bias + model.objective().mean;
      return take({&constant, 1});
    });
  };
  ModelArray constants =
      WithMeanRow("user_constants", RowsOf::kUser, model.users().rows(), 1, visit,
                  [substance](std::uint32_t row) { return substance->OfUser(RowId{row}); });
  constants.shape.pop_back();
  return constants;
}

std::vector<GraphLayer> LayersOf(const Network& network) {
  std::vector<GraphLayer> layers;
  for (std::size_t l = 0; l < network.shape().layers.size(); ++l) {
    const LayerShape& shape = network.shape().layers[l];
    GraphLayer layer = {
        .inputs = shape.inputs,
        .units = shape.units,
        .kernel = {},
        .bias = std::vector<float>(network.biases(l), network.biases(l) + shape.units),
        .relu = shape.relu};
    for (std::uint32_t i = 0; i < shape.inputs; ++i) {
      const float* const row = network.kernel_row(l, i);
      layer.kernel.insert(layer.kernel.end(), row, row + shape.units);
    }
    layers.push_back(std::move(layer));
  }
  return layers;
}

// The rows of the first layer's kernel in the order of a user's row and an item's: the vectors and
// their features. What a pair that is not in the data set has of samples is the same for all, and
// goes into the bias.
GraphLayer Regrouped(const GraphLayer& first, const ServedModel& model) {
  std::vector<float> of_users;
  std::vector<float> of_items;
  std::vector<double> bias(first.bias.begin(), first.bias.end());
  std::size_t input = 0;
  const auto take = [&](std::uint32_t dim, std::vector<float>& to) {
    const auto begin = first.kernel.begin() + static_cast<std::ptrdiff_t>(input * first.units);
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(dim * first.units));
    input += dim;
  };
  const std::uint32_t user_dim = model.users().dim();
  const std::uint32_t item_dim = model.items().dim();
  if (model.spec().item_first()) take(item_dim, of_items);
  take(user_dim, of_users);
  if (!model.spec().item_first()) take(item_dim, of_items);
  for (const ServedFeature& feature : model.features()) {
    if (feature.lists.side() == FeatureSide::kUser) {
      take(feature.rows.dim(), of_users);
    } else if (feature.lists.side() == FeatureSide::kItem) {
      take(feature.rows.dim(), of_items);
    } else {
      const float* const newest = feature.rows.vector(feature.lists.newest());
      for (std::uint32_t k = 0; k < feature.rows.dim(); ++k, ++input) {
        for (std::uint32_t u = 0; u < first.units; ++u) {
          bias[u] += static_cast<double>(newest[k]) *
                     static_cast<double>(first.kernel[input * first.units + u]);
        }
      }
    }
  }
  GraphLayer layer = {
      .units = first.units, .kernel = std::move(of_users), .bias = {}, .relu = first.relu};
  layer.kernel.insert(layer.kernel.end(), of_items.begin(), of_items.end());
  layer.inputs = static_cast<std::uint32_t>(layer.kernel.size() / first.units);
  for (const double b : bias) layer.bias.push_back(static_cast<float>(b));
  return layer;
}

void SetLayers(const ServedModel& model, PairModel& pair) {
  for (std::size_t k = 0; k < model.spec().networks().size(); ++k) {
    std::vector<GraphLayer> layers = LayersOf(model.scorer().networks()[k]);
    switch (model.spec().networks()[k].role) {
      case NetworkRole::kUser:
        pair.user_tower = std::move(layers);
        break;
      case NetworkRole::kItem:
        pair.item_tower = std::move(layers);
        break;
      case NetworkRole::kPair:
        layers[0] = Regrouped(layers[0], model);
        pair.pair = std::move(layers);
        break;
    }
  }
}

void SetLink(const Objective& objective, PairModel& pair) {
  switch (objective.link) {
    case Objective::Link::kIdentity:
      break;
    case Objective::Link::kStandardized:
      pair.scale = objective.rating_deviation;
      break;
    case Objective::Link::kSigmoid:
    case Objective::Link::kScaledSigmoid:
      pair.sigmoid = true;
      pair.offset = objective.rating_min;
      pair.scale = objective.rating_range;
      break;
  }
}

}  // namespace

PairModel PairModelOf(const ExportSubject& subject) {
  const ServedModel& model = subject.model;
  const auto substance = std::make_shared<const Substance>(model, subject.catalogue);
  PairModel pair = {.users = Users(model, substance),
                    .items = Items(model, substance),
                    .has_biases = HasItemBiases(model),
                    .user_constants = Constants(model, substance)};
  SetLayers(model, pair);
  SetLink(model.objective(), pair);
  for (std::uint32_t row = 0; row < model.items().rows(); ++row) {
    pair.item_penalties.push_back(
        substance->OfItem(RowId{row}) ? 0 : -std::numeric_limits<float>::infinity());
  }
  pair.item_penalties.push_back(-std::numeric_limits<float>::infinity());
  return pair;
}

}  // namespace cf
