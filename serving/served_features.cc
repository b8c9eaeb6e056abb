#include "serving/served_features.h"

#include <span>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/model/tables.h"

namespace cf {
namespace {

/// Adds a vector and its bias.
void AddRow(const WeightTable& from, RowId row, WeightTable& to, RowId into) {
  for (std::size_t k = 0; k < to.dim(); ++k) to.mutable_vector(into)[k] += from.vector(row)[k];
  to.mutable_bias(into) += from.bias(row);
}

}  // namespace

void ServedFeature::Compose(std::uint32_t entries) {
  composed = WeightTable(entries, rows.dim());
  for (std::uint32_t k = 0; k < entries; ++k) {
    const RowId entry{k};
    const std::span<const RowId> of_entry = lists.RowsOf(entry);
    for (const RowId row : of_entry) AddRow(rows, row, composed, entry);
    const float weight = lists.WeightOf(of_entry.size());
    for (std::size_t d = 0; d < rows.dim(); ++d) composed.mutable_vector(entry)[d] *= weight;
    composed.mutable_bias(entry) *= weight;
  }
}

const float* ServedFeature::VectorOf(RowId user, RowId item) const {
  if (lists.side() == FeatureSide::kUser) return composed.vector(user);
  if (lists.side() == FeatureSide::kItem) return composed.vector(item);
  return rows.vector(lists.RowOfSample(user, item).value_or(lists.newest()));
}

absl::StatusOr<std::vector<ServedFeature>> OpenFeatures(const Manifest& manifest,
                                                        const Catalogue* catalogue) {
  std::vector<ServedFeature> opened;
  const google::protobuf::RepeatedPtrField<Feature>& features = FeaturesOf(manifest.job());
  if (features.empty()) return opened;
  if (catalogue == nullptr) {
    return absl::FailedPreconditionError("the model has features, which need its data set");
  }
  absl::StatusOr<std::vector<FeatureLists>> lists =
      MakeFeatureLists(manifest.job(), catalogue->data(), catalogue->split());
  if (!lists.ok()) return lists.status();
  const std::size_t first = Index(FirstFeatureOf(manifest.job()));
  for (int k = 0; k < features.size(); ++k) {
    const SnapshotTable& table = manifest.tables(static_cast<int>(first) + k);
    FeatureLists& its_lists = (*lists)[static_cast<std::size_t>(k)];
    if (table.rows() != its_lists.rows() || table.dim() != features[k].dim()) {
      return absl::FailedPreconditionError(
          absl::StrCat("table ", table.name(),
                       " of the snapshot has another size than its job and "
                       "data set say"));
    }
    opened.push_back(
        {.lists = std::move(its_lists), .rows = WeightTable(table.rows(), table.dim())});
  }
  return opened;
}

void AddFeatures(const std::vector<ServedFeature>& features, FeatureSide side, WeightTable& to) {
  for (const ServedFeature& feature : features) {
    if (feature.lists.side() != side) continue;
    for (std::uint32_t row = 0; row < to.rows(); ++row) {
      AddRow(feature.composed, RowId{row}, to, RowId{row});
    }
  }
}

}  // namespace cf
