#include "worker/models/two_tower.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

using Passage = Network::Passage;

// Room for a power of two, lest every batch that is a little larger allocates.
void MakeRoom(std::size_t samples, Passage& passage) {
  passage.Reserve(std::bit_ceil(samples));
}

void Write(const float* slope, std::size_t dim, std::size_t stride, float* gradient) {
  std::copy_n(slope, dim, gradient);
  std::fill(gradient + dim, gradient + stride, 0.0F);
}

// The gradients of one tower's layers and inputs, from `n` samples of one partition.
void Backward(const Network& tower, std::size_t n, std::span<const LayerGradient> gradients,
              Passage& passage) {
  const GradientRun run{.last = static_cast<std::uint32_t>(n)};
  tower.Backward(n, std::span(&run, 1), gradients, passage);
  for (std::size_t l = 0; l < gradients.size(); ++l) {
    const std::size_t weights = tower.shape().layers[l].weights();
    std::fill(gradients[l].row + weights, gradients[l].row + gradients[l].stride, 0.0F);
  }
}

}  // namespace

TwoTower::TwoTower(const TowerShapes& towers, const SoftmaxShape& softmax,
                   std::vector<float> negative_log_shares, const KernelSet& kernels)
    : user_layers_(towers.user.layers.size()),
      item_layers_(towers.item.layers.size()),
      kernels_(MatrixKernelsOf(kernels)),
      softmax_(softmax, std::move(negative_log_shares), kernels),
      user_tower_(towers.user, kernels),
      item_tower_(towers.item, kernels),
      users_(towers.user, Passage::Use::kTraining, 0),
      items_(towers.item, Passage::Use::kTraining, 0) {
  Check(towers.user.outputs() == softmax.dim && towers.item.outputs() == softmax.dim,
        "what the towers give is what the softmax takes");
}

void TwoTower::SetLayer(std::size_t l, const float* row) {
  if (l < user_layers_) return user_tower_.SetLayer(l, row);
  item_tower_.SetLayer(l - user_layers_, row);
}

void TwoTower::SetCandidates(const Candidates& candidates, const float* const* rows,
                             const std::optional<BatchDropoutKey>& key) {
  if (layers() == 0) return softmax_.SetCandidates(candidates, rows);
  candidates_ = candidates.items.size();
  MakeRoom(candidates_, items_);
  for (std::size_t r = 0; r < candidates_; ++r) {
    std::copy_n(rows[r], item_tower_.shape().inputs, items_.input(r));
  }
  if (key.has_value()) {
    item_tower_.ForwardWithDropout(*key, candidates.items, items_);
  } else {
    item_tower_.Forward(candidates_, items_);
  }
  item_outputs_.clear();
  for (std::size_t r = 0; r < candidates_; ++r) item_outputs_.push_back(items_.outputs(r));
  softmax_.SetCandidates(candidates, item_outputs_.data());
}

void TwoTower::Gradient(const TwoTowerBatch& batch, const DropoutKey& key, std::uint64_t position,
                        ObjectiveSums& sums) {
  if (layers() == 0) return softmax_.Gradient(Direct(batch), sums);
  SoftmaxBatch outputs = TakeUsers(batch);
  const std::size_t n = batch.samples.size();
  const DropoutRun dropout{.key = key, .position = position, .samples = n};
  user_tower_.ForwardWithDropout(std::span(&dropout, 1), users_);
  outputs.user_gradients = users_.output_slopes(0);
  outputs.item_gradients = items_.output_slopes(0);
  outputs.gradient_stride = users_.output_stride();
  softmax_.Gradient(outputs, sums);
  Backward(user_tower_, n, batch.layer_gradients.first(user_layers_), users_);
  AddUserGradients(batch);
  Backward(item_tower_, candidates_, batch.layer_gradients.subspan(user_layers_), items_);
  WriteItemGradients(batch);
}

void TwoTower::Score(const TwoTowerBatch& batch, ObjectiveSums& sums) {
  if (layers() == 0) return softmax_.Score(Direct(batch), sums);
  const SoftmaxBatch outputs = TakeUsers(batch);
  user_tower_.Forward(batch.samples.size(), users_);
  softmax_.Score(outputs, sums);
}

SoftmaxBatch TwoTower::Direct(const TwoTowerBatch& batch) const {
  return {.samples = batch.samples,
          .first_item = batch.first_item,
          .user_rows = batch.user_rows,
          .user_gradients = batch.user_gradients,
          .item_gradients = batch.item_gradients,
          .gradient_stride = batch.user_stride};
}

// The samples as the softmax sees them: each with the output of the tower in place of its user.
SoftmaxBatch TwoTower::TakeUsers(const TwoTowerBatch& batch) {
  MakeRoom(batch.samples.size(), users_);
  samples_.clear();
  user_outputs_.clear();
  for (const PairSample& sample : batch.samples) {
    const std::size_t s = samples_.size();
    std::copy_n(batch.user_rows[sample.user], user_tower_.shape().inputs, users_.input(s));
    samples_.push_back({.user = static_cast<std::uint32_t>(s) & 0x7fffffffU,
                        .user_is_first = 1,
                        .item = (sample.item - batch.first_item) & 0x7fffffffU,
                        .item_is_first = 0,
                        .rating = sample.rating});
    user_outputs_.push_back(users_.outputs(s));
  }
  return {.samples = samples_, .user_rows = user_outputs_.data()};
}

void TwoTower::AddUserGradients(const TwoTowerBatch& batch) {
  const std::size_t dim = user_tower_.shape().inputs;
  for (std::size_t s = 0; s < batch.samples.size(); ++s) {
    float* gradient = batch.user_gradients + batch.samples[s].user * batch.user_stride;
    if (batch.samples[s].user_is_first != 0) {
      Write(users_.input_slope(s), dim, batch.user_stride, gradient);
    } else {
      kernels_.add(gradient, users_.input_slope(s), dim);
    }
  }
}

void TwoTower::WriteItemGradients(const TwoTowerBatch& batch) {
  for (std::size_t r = 0; r < candidates_; ++r) {
    Write(items_.input_slope(r), item_tower_.shape().inputs, batch.item_stride,
          batch.item_gradients + r * batch.item_stride);
  }
}

}  // namespace cf
