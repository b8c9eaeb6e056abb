#include "serving/served_features.h"

#include <span>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/features/feature_sum.h"

namespace cf {

void ServedFeature::Compose(std::span<const RowId> of_entry, const KernelSet& kernels,
                            float* vector, float& bias) const {
  const FeatureSum compose(rows.padded_dim(), kernels);
  // Of vectors that stand beside others an export has no biases, which nobody needs.
  const auto bias_of = [this](RowId row) { return rows.biases() == nullptr ? 0 : rows.bias(row); };
  for (const RowId row : of_entry) compose.Add(rows.vector(row), bias_of(row), vector, bias);
  compose.End(lists, of_entry.size(), vector, bias);
}

void ServedFeature::Compose(std::uint32_t entries, const KernelSet& kernels) {
  composed = WeightTable(entries, rows.dim());
  for (std::uint32_t k = 0; k < entries; ++k) {
    const RowId entry{k};
    Compose(lists.RowsOf(entry), kernels, composed.mutable_vector(entry),
            composed.mutable_bias(entry));
  }
}

absl::StatusOr<std::vector<ServedFeature>> OpenFeatures(const Manifest& manifest,
                                                        const ModelSpec& spec,
                                                        const Catalogue* catalogue) {
  std::vector<ServedFeature> opened;
  if (spec.features().empty()) return opened;
  if (catalogue == nullptr) {
    return absl::FailedPreconditionError("the model has features, which need its data set");
  }
  absl::StatusOr<std::vector<FeatureLists>> lists =
      MakeFeatureLists(manifest.job(), catalogue->data(), catalogue->split());
  if (!lists.ok()) return lists.status();
  for (std::size_t k = 0; k < lists->size(); ++k) {
    const SnapshotTable& table = manifest.tables(static_cast<int>(Index(spec.first_feature()) + k));
    FeatureLists& its_lists = (*lists)[k];
    if (table.rows() != its_lists.rows()) {
      return absl::FailedPreconditionError(
          absl::StrCat("table ", table.name(), " of the snapshot has ", table.rows(),
                       " rows, and its data set makes ", its_lists.rows(), " of them"));
    }
    opened.push_back(
        {.lists = std::move(its_lists), .rows = WeightTable(table.rows(), table.dim())});
  }
  return opened;
}

void AddFeatures(const std::vector<ServedFeature>& features, FeatureSide side,
                 const KernelSet& kernels, WeightTable& to) {
  const FeatureSum compose(to.padded_dim(), kernels);
  for (const ServedFeature& feature : features) {
    if (feature.lists.side() != side) continue;
    for (std::uint32_t k = 0; k < to.rows(); ++k) {
      const RowId row{k};
      compose.Add(feature.composed.vector(row), feature.composed.bias(row), to.mutable_vector(row),
                  to.mutable_bias(row));
    }
  }
}

}  // namespace cf
