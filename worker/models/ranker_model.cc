#include "worker/models/ranker_model.h"

#include <vector>

#include "common/model/ranker.h"
#include "common/rows/row_copies.h"
#include "common/rows/tree_sum.h"
#include "worker/models/neural_ranker.h"
#include "worker/models/pair_adder.h"
#include "worker/models/step_features.h"
#include "worker/models/step_layers.h"

namespace cf {
namespace {

/// Samples of all partitions go through the network together, and their layers' gradients are added
/// up along the tree meanwhile.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  those of NeuralRanker; the vectors of a batch's features and their gradients.
class RankerModel final : public StepModel {
 public:
  explicit RankerModel(const Options& options)
      : StepModel(options, {.computes_together = true}),
        ranker_(*RankerOf(options.model->job()), *options.kernels),
        layers_(options),
        features_(options),
        vectors_(features_.size()) {}

  void AddPartition(const Pass& /*pass*/, const PartitionShare& share, Minibatch& batch) override {
    PairAdder pairs(share, batch);
    ForSamples(share, layout(kUsers), [&](const Sample& sample) {
      pairs.Add(sample.user, sample.item, sample.rating);
      features_.AddSample(share, sample.user, sample.item, batch);
    });
    layers_.Touch(share, batch);
  }

  void EndBatch(Minibatch& batch) override { features_.EndBatch(batch); }

  void BeginStep(const Step& step, std::span<ObjectiveSums> sums) override {
    layers_.Set(step.batch, ranker_);
    ComposeFeatures(step);
    FindParts(step, sums);
    const Minibatch& batch = step.batch;
    const RankerBatch pairs{.samples = batch.samples,
                            .parts = parts_,
                            .user_rows = batch.tables[Index(kUsers)].part_rows.data(),
                            .item_rows = batch.tables[Index(kItems)].part_rows.data(),
                            .user_gradients = step.gradients[Index(kUsers)],
                            .item_gradients = step.gradients[Index(kItems)],
                            .user_stride = layout(kUsers).gradient_stride(),
                            .item_stride = layout(kItems).gradient_stride(),
                            .features = FindFeatures(step),
                            .layer_gradients = layers_.GradientsOf(step, 0)};
    if (step.pass.training) {
      ranker_.Gradient(pairs, options().objective);
    } else {
      ranker_.Score(pairs, options().objective);
    }
  }

  void ComputePartition(const Step& step, const PartitionStep& part,
                        ObjectiveSums& /*sums*/) override {
    if (!step.pass.training) return;
    features_.Take(step, part.p, [&](std::size_t k) {
      return StepFeatures::VectorGradients{.first = vectors_[k].gradients.row(0),
                                           .stride = layout(features_[k].table).gradient_stride()};
    });
  }

  bool Collect(const Step& step, TableId table, std::uint32_t server, OwnPartials& into) override {
    if (!layers_.Has(table)) return features_.Collect(step, table, server, into);
    into.Clear();
    if (step.batch.rows.wanted(table, server).ids.empty()) return true;  // Its row is another's.
    const std::size_t stride = layout(table).gradient_stride();
    for (std::size_t k = 0; k < layer_parts_.size(); ++k) {
      into.ids.push_back(RowId{0});
      into.parts.push_back({layer_parts_[k].node, step.gradients[Index(table)] + k * stride});
    }
    return true;
  }

 private:
  // A user's or an item's feature has vectors of its own, beside those of users and items.
  struct Vectors {
    std::vector<const float*> by_part;
    RowCopies gradients;  // By part.
  };

  void ComposeFeatures(const Step& step) {
    features_.Compose(step.batch);
    for (std::size_t k = 0; k < features_.size(); ++k) {
      auto& [table, feature] = features_[k];
      if (feature.side() == FeatureSide::kSample) continue;
      Vectors& vectors = vectors_[k];
      const TableBatch& entries =
          step.batch.tables[Index(StepFeatures::TableOf(feature.side()))].batch;
      vectors.by_part.clear();
      for (std::size_t part = 0; part < entries.parts().size(); ++part) {
        vectors.by_part.push_back(feature.VectorOf(part));
      }
      if (step.pass.training) vectors.gradients.Resize(entries.parts().size(), layout(table));
    }
  }

  // Where partitions begin and end among the samples, and when sums of layers' gradients are due.
  void FindParts(const Step& step, std::span<ObjectiveSums> sums) {
    const SeatRange range = options().range;
    const TreeSum tree(options().partitioning, range, *options().kernels, 0);
    parts_.clear();
    layer_parts_.clear();
    std::size_t first_sample = 0;
    for (std::uint32_t p = 0; p < range.size(); ++p) {
      if (step.batch.samples_end[p] == first_sample) continue;
      first_sample = step.batch.samples_end[p];
      parts_.push_back(
          {.samples_end = first_sample,
           .sums = &sums[p],
           .key = {.seed = options().seed, .epoch = step.pass.epoch, .partition = range.first + p},
           .position = step.batch.positions[p]});
      layer_parts_.push_back({tree.Leaf(range.first + p), nullptr});
    }
    merges_.resize(layer_parts_.size());
    layer_parts_.resize(tree.Plan(layer_parts_, merges_));
    for (std::size_t k = 0; k < merges_.size(); ++k) parts_[k].merges = merges_[k];
  }

  std::span<const RankerFeature> FindFeatures(const Step& step) {
    ranker_features_.clear();
    for (std::size_t k = 0; k < features_.size(); ++k) {
      const auto& [table, feature] = features_[k];
      RankerFeature& found = ranker_features_.emplace_back();
      found.side = feature.side();
      found.stride = layout(table).gradient_stride();
      if (feature.side() == FeatureSide::kSample) {
        // An entry is a part of its own table.
        found.samples = step.batch.features[k].samples;
        found.rows = step.batch.tables[Index(table)].part_rows.data();
        found.gradients = step.gradients[Index(table)];
      } else {
        found.rows = vectors_[k].by_part.data();
        found.gradients = vectors_[k].gradients.row(0);
      }
    }
    return ranker_features_;
  }

  NeuralRanker ranker_;
  StepLayers layers_;
  StepFeatures features_;
  std::vector<Vectors> vectors_;       // By feature.
  std::vector<TreePart> layer_parts_;  // The sums of layers' gradients of the last step.

  // Scratch.
  std::vector<RankerPart> parts_;
  std::vector<std::uint32_t> merges_;  // By part.
  std::vector<RankerFeature> ranker_features_;
};

}  // namespace

std::unique_ptr<StepModel> MakeRankerModel(const StepModel::Options& options) {
  return std::make_unique<RankerModel>(options);
}

}  // namespace cf
