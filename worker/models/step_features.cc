#include "worker/models/step_features.h"

#include <optional>

#include "common/base/check.h"

namespace cf {

StepFeatures::StepFeatures(const StepModel::Options& options) {
  for (std::size_t k = 0; k < options.features.size(); ++k) {
    const std::size_t table = Index(options.model->first_feature()) + k;
    lists_.push_back(&options.features[k]);
    entries_.push_back({.table = TableId{static_cast<std::uint32_t>(table)},
                        .feature = BatchFeature({.lists = &options.features[k],
                                                 .layout = options.layouts[table],
                                                 .kernels = options.kernels,
                                                 .partitioning = options.partitioning,
                                                 .range = options.range})});
  }
}

void StepFeatures::AddSample(const PartitionShare& share, RowId user, RowId item,
                             Minibatch& batch) const {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    if (entries_[k].feature.side() != FeatureSide::kSample) continue;
    const std::size_t table = Index(entries_[k].table);
    const std::optional<RowId> row = lists_[k]->RowOfSample(user, item);
    Check(row.has_value(), "a sample with a timestamp is in the data set");
    batch.features[k].samples.push_back(
        batch.tables[table].batch.Touch(share.indices[table], *row, share.partition));
  }
}

void StepFeatures::EndBatch(Minibatch& batch) {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    auto& [table, feature] = entries_[k];
    if (feature.side() == FeatureSide::kSample) continue;
    feature.EndBatch(batch.tables[Index(TableOf(feature.side()))].batch,
                     batch.tables[Index(table)].batch, batch.features[k]);
  }
}

void StepFeatures::Compose(const Minibatch& batch) {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    auto& [table, feature] = entries_[k];
    if (feature.side() == FeatureSide::kSample) continue;
    feature.Compose(batch.tables[Index(TableOf(feature.side()))].batch, batch.features[k],
                    batch.rows.rows(table));
  }
}

bool StepFeatures::Collect(const Step& step, TableId table, std::uint32_t server,
                           OwnPartials& into) {
  for (std::size_t k = 0; k < entries_.size(); ++k) {
    if (entries_[k].table != table || entries_[k].feature.side() == FeatureSide::kSample) continue;
    into.Clear();
    entries_[k].feature.Collect(step.batch.tables[Index(table)].batch, step.batch.features[k],
                                step.batch.rows.wanted(table, server).places,
                                step.gradients[Index(table)], into);
    return true;
  }
  return false;
}

}  // namespace cf
