#include "worker/models/tower_model.h"

#include <optional>
#include <vector>

#include "common/model/retrieval.h"
#include "worker/models/batch_items.h"
#include "worker/models/pair_adder.h"
#include "worker/models/step_layers.h"
#include "worker/models/two_tower.h"

namespace cf {
namespace {

/// The items of the whole global batch, whoever has its samples, are candidates of each partition.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  those of TwoTower and of BatchItems.
class TowerModel final : public StepModel {
 public:
  explicit TowerModel(const Options& options)
      : StepModel(options, {.keeps_user_gradients = true}),
        towers_(MakeTowers(options)),
        layers_(options),
        batch_items_(*options.data, *options.split, options.partitioning) {}

  void BeginPass(const Pass& pass) override {
    if (pass.training && taken_epoch_ == pass.epoch) return;
    const Profile::Scope scope(options().profile, Phase::kLoader);
    if (pass.training) {
      batch_items_.TakeEpoch(options().seed, pass.epoch);
      taken_epoch_ = pass.epoch;
    } else {
      batch_items_.Take(pass.scores_training ? BatchItems::Samples::kTraining
                                             : BatchItems::Samples::kValidation);
      taken_epoch_.reset();
    }
  }

  void BeginBatch(const Pass& pass, Minibatch& batch) override {
    const Profile::Scope scope(options().profile, Phase::kLoader);
    batch_items_.Collect(batch.number, pass.batches, batch.candidates);
  }

  void AddPartition(const Pass& /*pass*/, const PartitionShare& share, Minibatch& batch) override {
    // In a row, so that the items' rows are the candidates and each partition's parts are, too.
    for (const RowId item : batch.candidates.items) {
      batch.tables[Index(kItems)].batch.Touch(share.indices[Index(kItems)], item, share.partition);
    }
    PairAdder pairs(share, batch);
    ForSamples(share, layout(kUsers),
               [&](const Sample& sample) { pairs.Add(sample.user, sample.item, sample.rating); });
    layers_.Touch(share, batch);
  }

  void BeginStep(const Step& step, std::span<ObjectiveSums> /*sums*/) override {
    layers_.Set(step.batch, towers_);
    const std::span<const float* const> items = step.batch.rows.rows(kItems);
    if (items.empty()) return;
    std::optional<BatchDropoutKey> key;
    if (step.pass.training) {
      key = {.seed = options().seed,
             .epoch = step.pass.epoch,
             .batch = static_cast<std::uint32_t>(step.batch.number)};
    }
    towers_.SetCandidates(step.batch.candidates, items.data(), key);
  }

  void ComputePartition(const Step& step, const PartitionStep& part, ObjectiveSums& sums) override {
    const bool training = step.pass.training;
    const std::size_t item_stride = layout(kItems).gradient_stride();
    const std::size_t first_item = part.turn * step.batch.candidates.items.size();
    const TwoTowerBatch pairs{
        .samples = part.samples,
        .first_item = static_cast<std::uint32_t>(first_item),
        .user_rows = step.batch.tables[Index(kUsers)].part_rows.data(),
        .user_gradients = step.gradients[Index(kUsers)],
        .item_gradients =
            training ? step.gradients[Index(kItems)] + first_item * item_stride : nullptr,
        .user_stride = layout(kUsers).gradient_stride(),
        .item_stride = item_stride,
        .layer_gradients = layers_.GradientsOf(step, part.turn)};
    if (training) {
      const DropoutKey key{.seed = options().seed,
                           .epoch = step.pass.epoch,
                           .partition = options().range.first + part.p};
      towers_.Gradient(pairs, key, step.batch.positions[part.p], sums);
    } else {
      towers_.Score(pairs, sums);
    }
  }

 private:
  static TwoTower MakeTowers(const Options& options) {
    const SoftmaxShape softmax = *SoftmaxOf(options.model->job());
    return {*TowersOf(options.model->job()), softmax,
            softmax.logq_correction ? NegativeLogShares(*options.data, *options.split)
                                    : std::vector<float>(),
            *options.kernels};
  }

  TwoTower towers_;
  StepLayers layers_;
  BatchItems batch_items_;
  std::optional<std::uint64_t> taken_epoch_;  // Whose order the batch's items have.
};

}  // namespace

std::unique_ptr<StepModel> MakeTowerModel(const StepModel::Options& options) {
  return std::make_unique<TowerModel>(options);
}

}  // namespace cf
