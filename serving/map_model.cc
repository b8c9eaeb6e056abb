// A served model of an export: what served_model.cc copies out of a snapshot is mapped here.

#include <algorithm>
#include <cmath>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/model/tables.h"
#include "serving/exports/npy_names.h"
#include "serving/served_model.h"

namespace cf {

absl::StatusOr<ServedModel> ServedModel::Map(const MappedExport& from, const Catalogue& catalogue) {
  absl::StatusOr<ServedModel> model = Describe(from.manifest());
  if (!model.ok()) return model.status();
  absl::Status mapped = model->MapLayers(from);
  if (mapped.ok()) mapped = model->MapTables(from);
  if (mapped.ok()) mapped = model->MapFeatures(from, catalogue);
  if (!mapped.ok()) return mapped;
  return model;
}

absl::Status ServedModel::MapLayers(const MappedExport& from) {
  std::size_t number = 0;  // Among the layers of all networks.
  for (const NetworkSpec& network : spec_->networks()) {
    for (std::size_t l = 0; l < network.shape.layers.size(); ++l) {
      const LayerShape& layer = network.shape.layers[l];
      const std::string name = absl::StrCat(network.name, "_", l);
      const absl::StatusOr<MappedFile> kernel =
          from.Array(name + "_kernel", "<f4", {layer.inputs, layer.units});
      if (!kernel.ok()) return kernel.status();
      const absl::StatusOr<MappedFile> biases = from.Array(name + "_bias", "<f4", {layer.units});
      if (!biases.ok()) return biases.status();
      const std::span<const float> weights = kernel->As<float>();
      std::vector<float> row(weights.begin(), weights.end());
      row.insert(row.end(), biases->As<float>().begin(), biases->As<float>().end());
      if (!std::all_of(row.begin(), row.end(), [](float w) { return std::isfinite(w); })) {
        return absl::DataLossError(
            absl::StrCat("layer ", name, " has a weight that is not a finite number"));
      }
      scorer_->SetLayer(number++, row.data());
    }
  }
  return absl::OkStatus();
}

absl::Status ServedModel::MapTables(const MappedExport& from) {
  const SnapshotTable& users = from.manifest().tables(0);
  const SnapshotTable& items = from.manifest().tables(1);
  absl::Status mapped;
  const auto take = [&mapped](absl::StatusOr<WeightTable> table, WeightTable& to) {
    mapped.Update(table.status());
    if (table.ok()) to = *std::move(table);
  };
  if (!has_towers()) {
    take(from.Table("user_embeddings", users.rows(), users.dim(), "user_biases"), users_);
    take(from.Table("item_embeddings", items.rows(), items.dim(), "item_biases"), items_);
    return mapped;
  }
  const std::uint32_t outputs = scorer_->tower(NetworkRole::kUser)->shape().outputs();
  take(from.Table("user_vectors", users.rows(), outputs, "user_biases"), users_);
  take(from.Table("item_vectors", items.rows(), outputs, "item_biases"), items_);
  take(from.Table("user_embeddings", users.rows(), users.dim(), ""), user_embeddings_);
  take(from.Table("item_embeddings", items.rows(), items.dim(), ""), item_embeddings_);
  return mapped;
}

absl::Status ServedModel::MapFeatures(const MappedExport& from, const Catalogue& catalogue) {
  for (std::size_t k = 0; k < spec_->features().size(); ++k) {
    const Feature::Source source = spec_->features()[k].source();
    const std::string name = FeatureTableName(source);
    const SnapshotTable& table =
        from.manifest().tables(static_cast<int>(Index(spec_->first_feature()) + k));
    absl::StatusOr<WeightTable> rows =
        from.Table(name, table.rows(), table.dim(), spec_->adds_features() ? name + "_biases" : "");
    if (!rows.ok()) return rows.status();
    FeatureLists::Made made = {.rows = table.rows(), .names = from.NamesOf(name)};
    WeightTable composed;
    MappedFile rows_of_samples;
    if (SideOf(source) == FeatureSide::kSample) {
      absl::StatusOr<MappedFile> of_samples =
          from.Array(name + npy::kOfSamples, "<i4", {catalogue.data().samples()});
      if (!of_samples.ok()) return of_samples.status();
      const absl::StatusOr<RowId> newest = from.NewestOf(name, table.rows());
      if (!newest.ok()) return newest.status();
      rows_of_samples = *std::move(of_samples);
      made.newest = *newest;
      made.rows_of_samples = rows_of_samples.As<RowId>();
      made.user_offsets = catalogue.data().user_offsets();
      made.item_column = catalogue.data().item_column();
    } else {
      const bool of_users = SideOf(source) == FeatureSide::kUser;
      absl::StatusOr<WeightTable> of_entries =
          from.Table(name + (of_users ? "_of_users" : "_of_items"),
                     of_users ? users_.rows() : items_.rows(), table.dim(), "");
      if (!of_entries.ok()) return of_entries.status();
      composed = *std::move(of_entries);
    }
    features_.push_back({.lists = FeatureLists::Of(source, std::move(made)),
                         .rows = *std::move(rows),
                         .composed = std::move(composed),
                         .rows_of_samples = std::move(rows_of_samples)});
  }
  return absl::OkStatus();
}

}  // namespace cf
