#include "worker/models/pair_model.h"

#include <vector>

#include "worker/models/pair_adder.h"
#include "worker/models/step_features.h"
#include "worker/negatives.h"

namespace cf {
namespace {

/// Without features the kernel reads rows where they are and no gradient outlives its partition; with
/// them it reads their sums with what features give them.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  those of its features.
class PairModel final : public StepModel {
 public:
  explicit PairModel(const Options& options)
      : StepModel(options, {.keeps_user_gradients = !options.features.empty()}),
        negatives_(options.model->negatives()),
        features_(options) {}

  void AddPartition(const Pass& pass, const PartitionShare& share, Minibatch& batch) override {
    PairAdder pairs(share, batch);
    const RowLayout& users = layout(kUsers);
    if (negatives_ > 0) {
      ForSamples(share, users,
                 [&](const Sample& sample) { AddWithNegatives(pass, share, sample, pairs); });
    } else {
      ForSamples(share, users,
                 [&](const Sample& sample) { pairs.Add(sample.user, sample.item, sample.rating); });
    }
  }

  void EndBatch(Minibatch& batch) override { features_.EndBatch(batch); }

  void BeginStep(const Step& step, std::span<ObjectiveSums> /*sums*/) override {
    features_.Compose(step.batch);
    AddFeatures(kUsers, FeatureSide::kUser, step.batch);
    AddFeatures(kItems, FeatureSide::kItem, step.batch);
  }

  void ComputePartition(const Step& step, const PartitionStep& part, ObjectiveSums& sums) override {
    const PairBatch pairs{.samples = part.samples,
                          .user_rows = step.batch.tables[Index(kUsers)].part_rows.data(),
                          .item_rows = step.batch.tables[Index(kItems)].part_rows.data(),
                          .user_gradients = step.gradients[Index(kUsers)],
                          .item_gradients = step.gradients[Index(kItems)],
                          .first_user = static_cast<std::uint32_t>(part.first_user_gradient),
                          .gradient_stride = layout(kUsers).gradient_stride(),
                          .padded_dim = layout(kUsers).padded_dim()};
    if (!step.pass.training) {
      return options().kernels->pair_score(pairs, options().objective, sums);
    }
    options().kernels->pair_gradient(pairs, options().objective, sums);
    features_.Take(step, part.p, [&](std::size_t k) {
      const TableId table = StepFeatures::TableOf(features_[k].feature.side());
      return StepFeatures::VectorGradients{.first = step.gradients[Index(table)],
                                           .stride = layout(table).gradient_stride()};
    });
  }

  bool Collect(const Step& step, TableId table, std::uint32_t server, OwnPartials& into) override {
    return features_.Collect(step, table, server, into);
  }

 private:
  void AddWithNegatives(const Pass& pass, const PartitionShare& share, const Sample& positive,
                        PairAdder& pairs) {
    DrawNegatives(pass, positive);
    for (const RowId item : drawn_) share.indices[Index(kItems)].Prefetch(item);
    pairs.Add(positive.user, positive.item, 1.0F);
    for (const RowId item : drawn_) pairs.Add(positive.user, item, 0.0F);
  }

  void DrawNegatives(const Pass& pass, const Sample& positive) {
    const Dataset& data = *options().data;
    const std::uint64_t first = data.user_offsets()[Index(positive.user)];
    const std::uint64_t end = data.user_offsets()[Index(positive.user) + 1];
    left_out_.clear();
    if (pass.training) {
      options().split->ForValidation(first, end, [&](std::uint64_t s) {
        left_out_.push_back(static_cast<std::uint32_t>(s - first));
      });
    }
    // In scoring, of what the user has, whatever the split says of it, nothing is a negative.
    const TakenItems taken = {.items = data.item_column().subspan(first, end - first),
                              .left_out = left_out_};
    const Negatives negatives = pass.training
                                    ? Negatives::OfEpoch(options().seed, pass.epoch, negatives_)
                                    : Negatives::OfScoring(negatives_);
    negatives.Draw(positive.user, positive.item, data.items(), taken, drawn_);
  }

  // The rows of users or of items become their sums with what features give them: where the vectors
  // of the first feature are, as what it gives is added to the row first.
  void AddFeatures(TableId table, FeatureSide side, Minibatch& batch) {
    std::vector<const float*>& rows = batch.tables[Index(table)].part_rows;
    for (std::size_t k = 0; k < features_.size(); ++k) {
      BatchFeature& feature = features_[k].feature;
      if (feature.side() != side) continue;
      for (std::size_t part = 0; part < rows.size(); ++part) {
        float* const sum = feature.VectorOf(part);
        options().kernels->add_gradient(sum, rows[part], layout(table).padded_dim());
        rows[part] = sum;
      }
    }
  }

  const std::uint32_t negatives_;
  StepFeatures features_;

  // Scratch.
  std::vector<RowId> drawn_;             // Negatives of a sample.
  std::vector<std::uint32_t> left_out_;  // As in TakenItems.
};

}  // namespace

std::unique_ptr<StepModel> MakePairModel(const StepModel::Options& options) {
  return std::make_unique<PairModel>(options);
}

}  // namespace cf
