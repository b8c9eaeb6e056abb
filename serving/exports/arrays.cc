#include "serving/exports/arrays.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/model/tables.h"
#include "serving/exports/model_json.h"
#include "serving/substance.h"

namespace cf {
namespace {

ModelArray Vectors(const std::string& name, RowsOf rows_of, const WeightTable& table) {
  return {.name = name,
          .rows_of = rows_of,
          .shape = {table.rows(), table.dim()},
          .visit = [&table](const TakeElements& take) {
            absl::Status taken;
            for (std::uint32_t row = 0; row < table.rows() && taken.ok(); ++row) {
              taken = take(table.vector(RowId{row}), table.dim() * sizeof(float));
            }
            return taken;
          }};
}

// `values` outlive the array.
template <class T>
ModelArray Column(const std::string& name, ElementType type, const T* values, std::size_t count) {
  return {.name = name,
          .type = type,
          .shape = {count},
          .visit = [values, count](const TakeElements& take) {
            return take(values, count * sizeof(T));
          }};
}

ModelArray Biases(const std::string& name, RowsOf rows_of, const WeightTable& table) {
  ModelArray biases = Column(name, ElementType::kFloat32, table.biases(), table.rows());
  biases.rows_of = rows_of;
  return biases;
}

// A byte for each of `count` numbers from 0 on: whether `is` holds of it.
template <class Is>
ModelArray Truth(const std::string& name, RowsOf rows_of, std::size_t count, Is is) {
  constexpr std::size_t kPiece = std::size_t{64} << 10;
  return {.name = name,
          .type = ElementType::kBool,
          .rows_of = rows_of,
          .shape = {count},
          .visit = [count, is](const TakeElements& take) {
            std::vector<std::uint8_t> bytes;
            absl::Status taken;
            for (std::size_t first = 0; first < count && taken.ok(); first += kPiece) {
              bytes.clear();
              for (std::size_t k = first; k < std::min(first + kPiece, count); ++k) {
                bytes.push_back(is(k) ? 1 : 0);
              }
              taken = take(bytes.data(), bytes.size());
            }
            return taken;
          }};
}

// Users' vectors and biases in one pass, wherever they are: the rows may be read from a disk.
void AddUserWeights(const std::string& name, const ServedModel& model,
                    std::vector<ModelArray>& arrays) {
  const auto biases = std::make_shared<std::vector<float>>();
  const auto visit = [&model, biases](const TakeElements& take) {
    biases->clear();
    biases->reserve(model.users().rows());
    return model.VisitUsers([&](std::span<const float> vector, float bias) {
      biases->push_back(bias);
      return take(vector.data(), vector.size_bytes());
    });
  };
  arrays.push_back({.name = name,
                    .rows_of = RowsOf::kUser,
                    .shape = {model.users().rows(), model.users().dim()},
                    .visit = visit});
  arrays.push_back({.name = "user_biases",
                    .rows_of = RowsOf::kUser,
                    .shape = {model.users().rows()},
                    .visit = [visit, biases, &model](const TakeElements& take) {
                      if (biases->size() != model.users().rows()) {
                        const auto no_vector = [](const void*, std::size_t) {
                          return absl::OkStatus();
                        };
                        if (absl::Status visited = visit(no_vector); !visited.ok()) return visited;
                      }
                      return take(biases->data(), biases->size() * sizeof(float));
                    }});
}

// `name`_0_kernel, `name`_0_bias and so on.
void AddLayers(const std::string& name, const Network& network, std::vector<ModelArray>& arrays) {
  for (std::size_t l = 0; l < network.shape().layers.size(); ++l) {
    const LayerShape layer = network.shape().layers[l];
    arrays.push_back({.name = absl::StrCat(name, "_", l, "_kernel"),
                      .shape = {layer.inputs, layer.units},
                      .visit = [&network, l, layer](const TakeElements& take) {
                        absl::Status taken;
                        for (std::uint32_t i = 0; i < layer.inputs && taken.ok(); ++i) {
                          taken = take(network.kernel_row(l, i), layer.units * sizeof(float));
                        }
                        return taken;
                      }});
    arrays.push_back(Column(absl::StrCat(name, "_", l, "_bias"), ElementType::kFloat32,
                            network.biases(l), layer.units));
  }
}

void AddFeatures(const ServedModel& model, std::vector<ModelArray>& arrays) {
  for (const ServedFeature& feature : model.features()) {
    const std::string name = FeatureTableName(feature.lists.source());
    arrays.push_back(Vectors(name, RowsOf::kOther, feature.rows));
    if (model.spec().adds_features()) {
      arrays.push_back(Biases(name + "_biases", RowsOf::kOther, feature.rows));
    }
    if (feature.lists.side() == FeatureSide::kSample) continue;
    const RowsOf rows_of =
        feature.lists.side() == FeatureSide::kUser ? RowsOf::kUser : RowsOf::kItem;
    arrays.push_back(
        Vectors(absl::StrCat(name, "_of_", OwnersOf(feature)), rows_of, feature.composed));
  }
}

// What lists are made by beside the scores: of what the model has learned something, and what is
// masked.
void AddRules(const ExportSubject& subject, std::vector<ModelArray>& arrays) {
  const Catalogue& catalogue = subject.catalogue;
  const Dataset& data = catalogue.data();
  const auto substance = std::make_shared<const Substance>(subject.model, catalogue);
  const auto row = [](std::size_t k) { return RowId{static_cast<std::uint32_t>(k)}; };
  arrays.push_back(Truth("user_learned", RowsOf::kUser, data.users(),
                         [substance, row](std::size_t k) { return substance->OfUser(row(k)); }));
  arrays.push_back(Truth("item_learned", RowsOf::kItem, data.items(),
                         [substance, row](std::size_t k) { return substance->OfItem(row(k)); }));
  // Offsets are far below 2^63 and ids below 2^31, so the signed numbers have the same bytes.
  static_assert(sizeof(RowId) == sizeof(std::int32_t));
  arrays.push_back(Column("seen_offsets", ElementType::kInt64, data.user_offsets().data(),
                          data.user_offsets().size()));
  arrays.push_back(Column("seen_items", ElementType::kInt32, data.item_column().data(),
                          data.item_column().size()));
  arrays.push_back(
      Truth("seen_in_training", RowsOf::kOther, data.samples(),
            [&catalogue](std::size_t s) { return !catalogue.split().is_validation(s); }));
}

}  // namespace

std::size_t BytesOf(ElementType type) {
  switch (type) {
    case ElementType::kInt64:
      return 8;
    case ElementType::kFloat32:
    case ElementType::kInt32:
      return 4;
    case ElementType::kFloat16:
      return 2;
    case ElementType::kInt8:
    case ElementType::kBool:
      return 1;
  }
  return 0;
}

std::uint64_t BytesOf(const ModelArray& array) {
  std::uint64_t elements = 1;
  for (const std::uint64_t extent : array.shape) elements *= extent;
  return elements * BytesOf(array.type);
}

std::vector<ModelArray> ArraysOf(const ExportSubject& subject) {
  const ServedModel& model = subject.model;
  std::vector<ModelArray> arrays;
  AddUserWeights(model.has_towers() ? "user_vectors" : "user_embeddings", model, arrays);
  arrays.push_back(Vectors("item_embeddings", RowsOf::kItem, model.item_embeddings()));
  if (model.has_towers()) {
    arrays.push_back(Vectors("user_embeddings", RowsOf::kUser, model.user_embeddings()));
    arrays.push_back(Vectors("item_vectors", RowsOf::kItem, model.items()));
  }
  for (std::size_t k = 0; k < model.spec().networks().size(); ++k) {
    AddLayers(model.spec().networks()[k].name, model.scorer().networks()[k], arrays);
  }
  AddFeatures(model, arrays);
  arrays.push_back(Biases("item_biases", RowsOf::kItem, model.items()));
  AddRules(subject, arrays);
  return arrays;
}

}  // namespace cf
