// What features add to a step: rows to touch, vectors to compose before the model, gradients to
// spread behind it.

#include <algorithm>

#include "common/base/check.h"
#include "worker/trainer.h"

namespace cf {
namespace {

TableId TableOf(FeatureSide side) {
  return side == FeatureSide::kUser ? kUsers : kItems;
}

}  // namespace

Trainer::FeatureWork::FeatureWork(const FeatureLists& lists, TableId its_table,
                                  const RowLayout& layout, const KernelSet& kernels)
    : table(its_table), feature(lists, layout, kernels) {
}

void Trainer::OpenFeatures() {
  for (std::size_t k = 0; k < options_.features.size(); ++k) {
    const std::size_t table = Index(kFirstLayer) + layers() + k;
    features_.emplace_back(options_.features[k], TableId{static_cast<std::uint32_t>(table)},
                           layouts_[table], *options_.kernels);
  }
  indices_.resize(layouts_.size());
  for (Minibatch& batch : batches_) batch.features.resize(features_.size());
}

void Trainer::TouchFeatures(FeatureSide side, const Sample& sample, std::uint32_t partition,
                            Minibatch& batch) {
  for (std::size_t k = 0; k < features_.size(); ++k) {
    const FeatureWork& work = features_[k];
    if (work.feature.side() != side) continue;
    IdIndex& index = indices_[Index(work.table)];
    TableBatch& rows = batch.tables[Index(work.table)].batch;
    if (side == FeatureSide::kSample) {
      work.feature.AddSample(sample.user, sample.item, partition, index, rows, batch.features[k]);
    } else {
      work.feature.AddEntry(side == FeatureSide::kUser ? sample.user : sample.item, partition,
                            index, rows, batch.features[k]);
    }
  }
}

void Trainer::ComposeFeatures(const Pass& pass, Minibatch& batch) {
  if (features_.empty()) return;
  if (!ranker_.has_value()) {
    ComposeRows(kUsers, FeatureSide::kUser, batch);
    ComposeRows(kItems, FeatureSide::kItem, batch);
    return;
  }
  for (std::size_t k = 0; k < features_.size(); ++k) {
    FeatureWork& work = features_[k];
    if (work.feature.side() == FeatureSide::kSample) continue;
    const TableBatch& entries = batch.tables[Index(TableOf(work.feature.side()))].batch;
    const RowLayout& layout = layouts_[Index(work.table)];
    work.composed.Resize(entries.rows().size(), layout);
    for (std::size_t row = 0; row < entries.rows().size(); ++row) {
      work.feature.Compose(batch.features[k], entries.rows()[row].first_part,
                           batch.tables[Index(work.table)].part_rows.data(),
                           work.composed.row(row));
    }
    work.vectors.clear();
    for (const TableBatch::Part& part : entries.parts()) {
      work.vectors.push_back(work.composed.row(part.row));
    }
    if (pass.training) work.gradients.Resize(entries.parts().size(), layout);
  }
}

void Trainer::ComposeRows(TableId table, FeatureSide side, Minibatch& batch) {
  if (std::ranges::none_of(
          features_, [side](const FeatureWork& work) { return work.feature.side() == side; })) {
    return;
  }
  const RowLayout& layout = layouts_[Index(table)];
  TableWork& rows = batch.tables[Index(table)];
  RowBlock& composed = composed_[Index(table)];
  const std::span<const float* const> weights = batch.rows.rows(table);
  composed.Resize(weights.size(), layout);
  summand_.Resize(1, layout);
  for (std::size_t row = 0; row < weights.size(); ++row) {
    std::copy_n(weights[row], layout.wire_floats(), composed.row(row));
    for (std::size_t k = 0; k < features_.size(); ++k) {
      if (features_[k].feature.side() != side) continue;
      features_[k].feature.Compose(batch.features[k], rows.batch.rows()[row].first_part,
                                   batch.tables[Index(features_[k].table)].part_rows.data(),
                                   summand_.row(0));
      options_.kernels->add_gradient(composed.row(row), summand_.row(0), layout.padded_dim());
    }
  }
  for (std::size_t part = 0; part < rows.part_rows.size(); ++part) {
    rows.part_rows[part] = composed.row(rows.batch.parts()[part].row);
  }
}

std::span<const RankerFeature> Trainer::FindFeatures(const Minibatch& batch) {
  ranker_features_.clear();
  for (std::size_t k = 0; k < features_.size(); ++k) {
    FeatureWork& work = features_[k];
    RankerFeature& feature = ranker_features_.emplace_back();
    feature.side = work.feature.side();
    feature.stride = layouts_[Index(work.table)].gradient_stride();
    if (feature.side == FeatureSide::kSample) {
      // An entry is a part of its own table.
      feature.samples = batch.features[k].parts;
      feature.rows = batch.tables[Index(work.table)].part_rows.data();
      feature.gradients = gradients_[Index(work.table)];
    } else {
      feature.rows = work.vectors.data();
      feature.gradients = work.gradients.row(0);
    }
  }
  return ranker_features_;
}

void Trainer::SpreadFeatures(const Minibatch& batch, std::uint32_t p) {
  for (std::size_t k = 0; k < features_.size(); ++k) {
    FeatureWork& work = features_[k];
    const FeatureSide side = work.feature.side();
    if (side == FeatureSide::kSample) continue;
    const std::vector<std::size_t>& ends =
        side == FeatureSide::kUser ? batch.user_parts_end : batch.item_parts_end;
    const std::size_t entries = Index(TableOf(side));
    work.feature.Spread(
        batch.features[k], p == 0 ? 0 : ends[p - 1], ends[p],
        ranker_.has_value() ? work.gradients.row(0) : gradients_[entries],
        layouts_[ranker_.has_value() ? Index(work.table) : entries].gradient_stride(),
        gradients_[Index(work.table)]);
  }
}

}  // namespace cf
