#include "worker/models/step_features.h"

#include <algorithm>

namespace cf {

StepFeatures::StepFeatures(const StepModel::Options& options) {
  for (std::size_t k = 0; k < options.features.size(); ++k) {
    const std::size_t table = Index(options.model->first_feature()) + k;
    entries_.push_back(
        {.table = TableId{static_cast<std::uint32_t>(table)},
         .feature = BatchFeature(options.features[k], options.layouts[table], *options.kernels)});
  }
}

bool StepFeatures::HasSide(FeatureSide side) const {
  return std::ranges::any_of(entries_,
                             [side](const Entry& entry) { return entry.feature.side() == side; });
}

void StepFeatures::Touch(const PartitionShare& share, RowId user, RowId item,
                         const PairSample& pair, Minibatch& batch) const {
  if (pair.user_is_first != 0) TouchSide(FeatureSide::kUser, share, user, item, batch);
  if (pair.item_is_first != 0) TouchSide(FeatureSide::kItem, share, user, item, batch);
  TouchSide(FeatureSide::kSample, share, user, item, batch);
}

void StepFeatures::TouchSide(FeatureSide side, const PartitionShare& share, RowId user, RowId item,
                             Minibatch& batch) const {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    const auto& [table, feature] = entries_[k];
    if (feature.side() != side) continue;
    IdIndex& index = share.indices[Index(table)];
    TableBatch& rows = batch.tables[Index(table)].batch;
    if (side == FeatureSide::kSample) {
      feature.AddSample(user, item, share.partition, index, rows, batch.features[k]);
    } else {
      feature.AddEntry(side == FeatureSide::kUser ? user : item, share.partition, index, rows,
                       batch.features[k]);
    }
  }
}

}  // namespace cf
