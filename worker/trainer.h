#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <absl/status/status.h>

#include "common/base/profile.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/ranker.h"
#include "common/model/retrieval.h"
#include "common/model/tables.h"
#include "common/rows/id_index.h"
#include "common/rows/row_block.h"
#include "common/rows/row_client.h"
#include "common/rows/turns.h"
#include "worker/batch_feature.h"
#include "worker/batch_items.h"
#include "worker/minibatch.h"
#include "worker/neural_ranker.h"
#include "worker/samples.h"
#include "worker/two_tower.h"

namespace cf {

/// Works through the samples of one worker seat: for each global batch the rows, the gradient, the
/// push.
///
/// A turn of the exchange ends one step and prepares another (StepTurns): a push carries the
/// gradients of one and the ids of the other, whose rows come in return. Meanwhile the batch after
/// that is made, and turns of the own server are served as soon as they can be, so that peers are
/// not waited for idly. A seat with several partitions makes the batch after that in between their
/// gradients, where it fetches the users' rows of the next one: memory is waited for while ids are
/// looked up (AddPartition).
///
/// Owner:   the seat's process, one for each compute thread that works.
/// Threads: the seat's compute thread.
/// Bounds:  the seat's samples, three minibatches and the gradients of one, of a delay two more and
///          one more for each of its steps; no allocation and no system call a sample.
class Trainer {
 public:
  struct Options {
    RowClient* rows = nullptr;  ///< Of the same thread. Borrowed, as are the others.
    const KernelSet* kernels = nullptr;
    Objective objective;
    std::optional<RankerShape> ranker{};    ///< Where the model is one.
    std::optional<TowerShapes> towers{};    ///< Of retrieval; else nothing.
    std::optional<SoftmaxShape> softmax{};  ///< With towers.
    bool popularity = false;  ///< The items' biases are counts; steps score and change nothing.
    std::span<const FeatureLists> features{};  ///< Of the model, in its order. Borrowed.
    std::uint32_t negatives = 0;               ///< That follow each sample; 0: ratings are learned.
    std::uint64_t shuffle_seed = 0;            ///< Of dropout and negatives, too.
    std::uint32_t delay = 0;                   ///< Of training.
    Profile* profile = nullptr;                ///< Of the same thread; null for none.
  };

  /// `data` and `split` are borrowed for retrieval and negatives; other models do not look at them
  /// afterwards.
  Trainer(Options options, const Dataset& data, const DataSplit& split);

  /// A run of steps `first` to `last` - 1 of `epoch` (counted from 0), as turns from `turn` on;
  /// `sums`, by partition of the seat's range, are added to. `applied` is how many global steps
  /// there were before `first`. The exchange's error if a peer is lost.
  struct Segment {
    std::uint64_t epoch = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t steps_per_epoch = 0;
    std::uint64_t applied = 0;
    std::uint64_t turn = 0;
  };
  absl::Status Train(const Segment& segment, std::span<ObjectiveSums> sums);

  /// The seat's samples, by partition of its range.
  std::span<const PartitionSamples> samples() const { return samples_; }

  /// The figures of all validation samples, or of all training samples in canonical order, in
  /// `batches` turns from `turn` on.
  absl::Status Score(bool training_samples, std::uint64_t batches, std::uint64_t turn,
                     std::span<ObjectiveSums> sums);

 private:
  struct TableWork {
    TableBatch batch;
    std::vector<const float*> part_rows;  // By part: the weights of its row.
  };
  struct Minibatch {
    Minibatch(BatchRows wanted, std::size_t count) : rows(std::move(wanted)), tables(count) {}

    BatchRows rows;
    std::vector<TableWork> tables;            // By TableId.
    std::vector<PairSample> samples;          // Partition after partition,
    std::vector<std::size_t> samples_end;     // by partition of the range, where they end,
    std::vector<std::size_t> user_parts_end;  // where the parts of their users do,
    std::vector<std::size_t> item_parts_end;  // where those of their items do,
    std::vector<std::uint64_t> positions;     // and which of the epoch's the first of them is.
    Candidates candidates;                    // Of retrieval: in every partition's parts of items.
    std::uint64_t number = 0;                 // Of the epoch's batches.
    std::vector<FeatureLinks> features;
  };
  // What a step leaves to its end.
  struct StepGradients {
    std::vector<std::vector<float>> memory;  // By table,
    std::vector<float*> first;               // and in it: aligned, `gradient_stride` floats a part.
    std::vector<OwnPartials> own;            // By table: what this thread's own server is to apply.
  };
  // A feature's way through the current batch. Where the model is a ranker, a user's or an item's
  // feature has vectors of its own; of a factorisation they are added to those of users and items.
  struct FeatureWork {
    FeatureWork(const FeatureLists& lists, TableId its_table, const RowLayout& layout,
                const KernelSet& kernels);

    TableId table;
    BatchFeature feature;
    RowBlock composed;                  // By row of users or items,
    std::vector<const float*> vectors;  // the same by part,
    RowBlock gradients;                 // and theirs, by part.
  };
  // A sequence of batches: an epoch's training samples in their order, or samples that are only
  // scored.
  struct Pass {
    bool training = false;
    bool scores_training = false;  // Of a pass that does not train: which samples.
    std::uint64_t epoch = 0;
    std::uint64_t batches = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::uint64_t applied = 0;
    std::uint64_t turn = 0;
    std::uint64_t delay = 0;

    StepTurns turns() const { return {.steps = last - first, .delay = delay}; }
    std::uint64_t StepOf(const Minibatch& batch) const { return applied + batch.number - first; }
  };

  absl::Status Run(const Pass& pass, std::span<ObjectiveSums> sums);
  absl::Status Rest(const Pass& pass);  // What is left to do behind the last step.
  // Makes batch `t`: at once, or begun, then by partition of the range, then ended.
  void Make(const Pass& pass, std::uint64_t t, Minibatch& batch);
  void BeginBatch(const Pass& pass, std::uint64_t t, Minibatch& batch);
  // Meanwhile fetches users' rows, about one a sample.
  void AddPartition(const Pass& pass, std::uint32_t p, std::span<const float* const> rows_to_fetch,
                    Minibatch& batch);
  void EndBatch(Minibatch& batch);
  void TouchCandidates(std::uint32_t p, Minibatch& batch);
  void AddSample(std::uint32_t p, const Sample& sample, Minibatch& batch);
  void AddWithNegatives(const Pass& pass, std::uint32_t p, const Sample& positive,
                        Minibatch& batch);
  // Where `next` is not null, adds its partitions in between.
  absl::Status Compute(const Pass& pass, Minibatch& batch, Minibatch* next,
                       std::span<ObjectiveSums> sums);
  std::span<const float* const> UserRowsOf(const Minibatch& batch, std::uint32_t p) const;
  void MakeRoomForGradients(const Minibatch& batch);
  void ComputePairs(const Pass& pass, const Minibatch& batch, std::size_t first_user,
                    std::span<const PairSample> samples, ObjectiveSums& sums);
  void SetLayers(const Minibatch& batch);
  void SetCandidates(const Pass& pass, const Minibatch& batch);
  void FindLayerGradients(const Pass& pass, std::size_t part);
  std::size_t layers() const {
    return layouts_.size() - Index(kFirstLayer) - options_.features.size();
  }
  bool IsLayer(TableId table) const {
    return Index(table) >= Index(kFirstLayer) && Index(table) < Index(kFirstLayer) + layers();
  }
  void ComputeRanker(const Pass& pass, const Minibatch& batch, std::span<ObjectiveSums> sums);
  void ComputeTowers(const Pass& pass, const Minibatch& batch, std::uint32_t p,
                     std::span<const PairSample> samples, std::size_t turn, ObjectiveSums& sums);
  void ScorePopularity(const Minibatch& batch, std::span<const PairSample> samples,
                       ObjectiveSums& sums) const;
  void OpenFeatures();
  // Of what a sample brings to the batch: its user, its item, or itself.
  void TouchFeatures(FeatureSide side, const Sample& sample, std::uint32_t partition,
                     Minibatch& batch);
  void ComposeFeatures(const Pass& pass, Minibatch& batch);
  void ComposeRows(TableId table, FeatureSide side, Minibatch& batch);
  std::span<const RankerFeature> FindFeatures(const Minibatch& batch);
  void SpreadFeatures(const Minibatch& batch, std::uint32_t p);
  absl::Status ApplyOwnUsers(const Pass& pass, const Minibatch& batch, std::size_t first_part,
                             std::size_t last_part);
  // The part of users whose gradient is the first in memory, in a partition whose first part is
  // `first_part`.
  std::size_t FirstGradient(std::size_t first_part) const {
    return keeps_gradients_ ? 0 : first_part;
  }
  void Push(const Pass& pass, std::uint64_t turn);
  void CollectTables(const Minibatch& done, std::uint32_t server, std::span<OwnPartials> into);
  void CollectParts(TableId table, const Minibatch& batch, std::uint32_t server, OwnPartials& into);
  void CollectLayer(TableId table, const Minibatch& batch, std::uint32_t server,
                    OwnPartials& into) const;
  // As this thread's server: the turns of the pass before `due`, and of those before `pushed` what
  // can be served without waiting.
  absl::Status Serve(const Pass& pass, std::uint64_t due, std::uint64_t pushed);
  absl::Status ServeTurn(const Pass& pass, std::uint64_t turn);
  absl::Status TakeRows(std::uint64_t turn, Minibatch& batch);
  Minibatch& BatchAt(std::uint64_t t) { return batches_[t % batches_.size()]; }
  StepGradients& GradientsOf(const Minibatch& batch) {
    return steps_[batch.number % steps_.size()];
  }
  bool OwnsUsers() const { return options_.rows->has_own_server(); }

  const Options options_;
  const Dataset& data_;
  const Placement& placement_;
  const Partitioning partitioning_;
  const SeatRange range_;
  const std::vector<RowLayout> layouts_;
  std::vector<PartitionSamples> samples_;  // By partition of the range.
  std::vector<IdIndex> indices_;           // By table.
  // A batch is made a turn before it is asked for, and needed until the own server has ended its
  // step, which may be 2 delay + 1 turns later.
  std::vector<Minibatch> batches_;
  std::vector<StepGradients> steps_;    // Batch t is in t mod their number, as above.
  std::span<float* const> gradients_;   // By table: of the current step.
  const double log_training_samples_;   // For popularity.
  std::optional<NeuralRanker> ranker_;  // At most one of these; neither for a factorisation.
  std::optional<TwoTower> towers_;
  std::optional<BatchItems> batch_items_;  // With the towers.
  std::vector<FeatureWork> features_;
  RowBlock composed_[2];  // Rows of users and items with their features, by row of the batch.
  // Where the model is a ranker: the gradients of its layers, which it has added up itself.
  std::vector<TreePart> layer_parts_;
  // Nobody but this seat reads or changes its users in a step, so it may apply theirs when it
  // likes: partition by partition, while the rows are in the cache. A ranker has all partitions'
  // gradients at once, and with a delay another batch may have to read the rows first: they apply
  // them behind the pushes.
  bool applies_at_once_;
  // Whether the users' gradients of a partition outlive it. Where they need not, the next
  // partition's take their place, which is in the cache.
  bool keeps_gradients_;
  std::uint64_t shuffled_epoch_;

  std::uint64_t served_ = 0;  // Turns of the current pass that the own server has.

  // Scratch.
  std::vector<RowId> negatives_;  // Of a sample.
  std::vector<RowId> ids_;
  std::vector<const float*> pointers_;
  std::vector<TreePart> chain_;
  std::vector<LayerGradient> layer_gradients_;
  std::vector<RankerPart> ranker_parts_;
  std::vector<std::uint32_t> merges_;  // By part of the ranker.
  std::vector<RankerFeature> ranker_features_;
  RowBlock summand_;
};

}  // namespace cf
