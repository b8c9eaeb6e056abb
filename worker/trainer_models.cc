// The gradient of a step, or its figures alone, by the kind of the model.

#include <algorithm>

#include "common/math/math.h"
#include "worker/trainer.h"

namespace cf {

absl::Status Trainer::Compute(const Pass& pass, Minibatch& batch, Minibatch* next,
                              std::span<ObjectiveSums> sums) {
  const Profile::Scope scope(options_.profile, Phase::kGradient);
  gradients_ = GradientsOf(batch).first;
  if (pass.training) MakeRoomForGradients(batch);
  SetLayers(batch);
  ComposeFeatures(pass, batch);
  std::size_t first_sample = 0;
  std::size_t first_user = 0;
  if (towers_.has_value()) SetCandidates(pass, batch);
  if (ranker_.has_value()) ComputeRanker(pass, batch, sums);
  std::size_t turn = 0;  // Of the partitions that have samples.
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    const std::span<const PairSample> samples =
        std::span(batch.samples).subspan(first_sample, batch.samples_end[p] - first_sample);
    if (!samples.empty()) {
      if (towers_.has_value()) {
        ComputeTowers(pass, batch, p, samples, turn, sums[p]);
      } else if (options_.popularity) {
        ScorePopularity(batch, samples, sums[p]);
      } else if (!ranker_.has_value()) {
        ComputePairs(pass, batch, first_user, samples, sums[p]);
      }
      if (pass.training) SpreadFeatures(batch, p);
      ++turn;
    }
    if (next != nullptr) AddPartition(pass, p, UserRowsOf(batch, p + 1), *next);
    if (pass.training && applies_at_once_) {
      absl::Status applied = ApplyOwnUsers(pass, batch, first_user, batch.user_parts_end[p]);
      if (!applied.ok()) return applied;
    }
    first_sample = batch.samples_end[p];
    first_user = batch.user_parts_end[p];
  }
  return absl::OkStatus();
}

std::span<const float* const> Trainer::UserRowsOf(const Minibatch& batch, std::uint32_t p) const {
  if (p == range_.size()) return {};
  const std::size_t first = p == 0 ? 0 : batch.user_parts_end[p - 1];
  return std::span(batch.tables[Index(kUsers)].part_rows)
      .subspan(first, batch.user_parts_end[p] - first);
}

void Trainer::ComputePairs(const Pass& pass, const Minibatch& batch, std::size_t first_user,
                           std::span<const PairSample> samples, ObjectiveSums& sums) {
  const PairBatch pairs{.samples = samples,
                        .user_rows = batch.tables[Index(kUsers)].part_rows.data(),
                        .item_rows = batch.tables[Index(kItems)].part_rows.data(),
                        .user_gradients = gradients_[Index(kUsers)],
                        .item_gradients = gradients_[Index(kItems)],
                        .first_user = static_cast<std::uint32_t>(FirstGradient(first_user)),
                        .gradient_stride = layouts_[Index(kUsers)].gradient_stride(),
                        .padded_dim = layouts_[Index(kUsers)].padded_dim()};
  if (pass.training) {
    options_.kernels->pair_gradient(pairs, options_.objective, sums);
  } else {
    options_.kernels->pair_score(pairs, options_.objective, sums);
  }
}

void Trainer::SetLayers(const Minibatch& batch) {
  for (std::size_t l = 0; l < layers(); ++l) {
    const std::span<const float* const> rows =
        batch.rows.rows(TableId{static_cast<std::uint32_t>(Index(kFirstLayer) + l)});
    if (rows.empty()) continue;  // Nobody's samples: nobody's rows.
    if (ranker_.has_value()) {
      ranker_->SetLayer(l, rows.front());
    } else {
      towers_->SetLayer(l, rows.front());
    }
  }
}

void Trainer::SetCandidates(const Pass& pass, const Minibatch& batch) {
  const std::span<const float* const> items = batch.rows.rows(kItems);
  if (items.empty()) return;
  std::optional<BatchDropoutKey> key;
  if (pass.training) {
    key = {.seed = options_.shuffle_seed,
           .epoch = pass.epoch,
           .batch = static_cast<std::uint32_t>(batch.number)};
  }
  towers_->SetCandidates(batch.candidates, items.data(), key);
}

void Trainer::FindLayerGradients(const Pass& pass, std::size_t part) {
  layer_gradients_.clear();
  for (std::size_t l = 0; pass.training && l < layers(); ++l) {
    const std::size_t table = Index(kFirstLayer) + l;
    const std::size_t stride = layouts_[table].gradient_stride();
    layer_gradients_.push_back({.row = gradients_[table] + part * stride, .stride = stride});
  }
}

void Trainer::ComputeRanker(const Pass& pass, const Minibatch& batch,
                            std::span<ObjectiveSums> sums) {
  const TreeSum tree(partitioning_, range_, *options_.kernels, 0);
  ranker_parts_.clear();
  layer_parts_.clear();
  std::size_t first_sample = 0;
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    if (batch.samples_end[p] == first_sample) continue;
    first_sample = batch.samples_end[p];
    ranker_parts_.push_back(
        {.samples_end = first_sample,
         .sums = &sums[p],
         .key = {.seed = options_.shuffle_seed, .epoch = pass.epoch, .partition = range_.first + p},
         .position = batch.positions[p]});
    layer_parts_.push_back({tree.Leaf(range_.first + p), nullptr});
  }
  merges_.resize(layer_parts_.size());
  layer_parts_.resize(tree.Plan(layer_parts_, merges_));
  for (std::size_t k = 0; k < merges_.size(); ++k) ranker_parts_[k].merges = merges_[k];
  FindLayerGradients(pass, 0);
  const RankerBatch pairs{.samples = batch.samples,
                          .parts = ranker_parts_,
                          .user_rows = batch.tables[Index(kUsers)].part_rows.data(),
                          .item_rows = batch.tables[Index(kItems)].part_rows.data(),
                          .user_gradients = gradients_[Index(kUsers)],
                          .item_gradients = gradients_[Index(kItems)],
                          .user_stride = layouts_[Index(kUsers)].gradient_stride(),
                          .item_stride = layouts_[Index(kItems)].gradient_stride(),
                          .features = FindFeatures(batch),
                          .layer_gradients = layer_gradients_};
  if (pass.training) {
    ranker_->Gradient(pairs, options_.objective);
  } else {
    ranker_->Score(pairs, options_.objective);
  }
}

void Trainer::CollectLayer(TableId table, const Minibatch& batch, std::uint32_t server,
                           OwnPartials& into) const {
  into.Clear();
  if (batch.rows.wanted(table, server).ids.empty()) return;  // Its row is another's.
  const std::size_t stride = layouts_[Index(table)].gradient_stride();
  for (std::size_t k = 0; k < layer_parts_.size(); ++k) {
    into.ids.push_back(RowId{0});
    into.parts.push_back({layer_parts_[k].node, gradients_[Index(table)] + k * stride});
  }
}

void Trainer::ComputeTowers(const Pass& pass, const Minibatch& batch, std::uint32_t p,
                            std::span<const PairSample> samples, std::size_t turn,
                            ObjectiveSums& sums) {
  FindLayerGradients(pass, turn);
  const std::size_t item_stride = layouts_[Index(kItems)].gradient_stride();
  const std::size_t first_item = turn * batch.candidates.items.size();
  float* const item_gradients =
      pass.training ? gradients_[Index(kItems)] + first_item * item_stride : nullptr;
  const TwoTowerBatch pairs{.samples = samples,
                            .first_item = static_cast<std::uint32_t>(first_item),
                            .user_rows = batch.tables[Index(kUsers)].part_rows.data(),
                            .user_gradients = gradients_[Index(kUsers)],
                            .item_gradients = item_gradients,
                            .user_stride = layouts_[Index(kUsers)].gradient_stride(),
                            .item_stride = item_stride,
                            .layer_gradients = layer_gradients_};
  if (pass.training) {
    const DropoutKey key{
        .seed = options_.shuffle_seed, .epoch = pass.epoch, .partition = range_.first + p};
    towers_->Gradient(pairs, key, batch.positions[p], sums);
  } else {
    towers_->Score(pairs, sums);
  }
}

void Trainer::ScorePopularity(const Minibatch& batch, std::span<const PairSample> samples,
                              ObjectiveSums& sums) const {
  const std::vector<const float*>& items = batch.tables[Index(kItems)].part_rows;
  const std::size_t bias = layouts_[Index(kItems)].padded_dim();
  for (const PairSample& sample : samples) {
    const auto count = static_cast<double>(items[sample.item][bias]);
    sums.loss += log_training_samples_ - math::Log(std::max(count, 1.0));
  }
  sums.samples += samples.size();
}

}  // namespace cf
