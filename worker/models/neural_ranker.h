#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/model/ranker.h"
#include "worker/minibatch.h"

namespace cf {

/// One feature's vectors for the samples of a batch. `rows[k]` points at the vector of entry k,
/// whose gradient starts at `gradients + k * stride`. An entry is the sample's entry of users or
/// items, or one of the feature's own: then `samples` has it for each sample.
struct RankerFeature {
  FeatureSide side = FeatureSide::kSample;
  std::span<const TableBatch::Touched> samples;
  const float* const* rows = nullptr;
  float* gradients = nullptr;
  std::size_t stride = 0;

  /// Where the feature's sum of sample number s of the batch lies.
  TableBatch::Touched EntryOf(std::size_t s, const PairSample& sample) const {
    if (side == FeatureSide::kUser) return {sample.user, sample.user_is_first != 0};
    if (side == FeatureSide::kItem) return {sample.item, sample.item_is_first != 0};
    return samples[s];
  }
};

/// The samples of one partition in a batch: those from the end of the part before it on.
struct RankerPart {
  std::size_t samples_end = 0;
  ObjectiveSums* sums = nullptr;  ///< The partition's figures are added to these.
  // Of training:
  DropoutKey key{};
  std::uint64_t position = 0;  ///< Of the first sample in the partition's epoch.
  /// How many sums of layers' gradients are due behind it (TreeSum::Plan).
  std::uint32_t merges = 0;
};

/// The samples of some partitions with their rows, for a ranker. `user_rows[k]` points at the
/// vector of entry k; its gradient starts at `user_gradients + k * user_stride`. All of a
/// gradient's floats are written: behind the vector there are zeros.
struct RankerBatch {
  std::span<const PairSample> samples;
  std::span<const RankerPart> parts;  ///< None is empty.
  const float* const* user_rows = nullptr;
  const float* const* item_rows = nullptr;
  float* user_gradients = nullptr;
  float* item_gradients = nullptr;
  std::size_t user_stride = 0;
  std::size_t item_stride = 0;
  std::span<const RankerFeature> features = {};
  /// By layer: room for as many gradients as there are parts. The first of them become what is left
  /// when all sums are done.
  std::span<const LayerGradient> layer_gradients = {};
};

/// The gradient of a neural ranker over the samples of a batch: what pair_gradient is for a
/// factorisation, with a network behind the vectors. Samples of several partitions go through the
/// network together, since a small batch has few of each; the gradients of the layers are summed
/// for each partition, and then along the tree, while they are in the first cache.
///
/// Owner:   RankerModel.
/// Threads: the seat's compute thread.
/// Bounds:  the network and one passage through it; no allocation but when a batch has more
///          partitions than any before.
class NeuralRanker {
 public:
  NeuralRanker(const RankerShape& shape, const KernelSet& kernels)
      : shape_(shape),
        kernels_(MatrixKernelsOf(kernels)),
        network_(shape.network, kernels),
        passage_(shape.network, Network::Passage::Use::kTraining) {}

  std::size_t layers() const { return network_.shape().layers.size(); }

  /// The weights of a layer for the batches to come: its row.
  void SetLayer(std::size_t l, const float* row) { network_.SetLayer(l, row); }

  /// Adds every sample's gradient to its two entries, in the order of the samples, sums those of
  /// the layers, and adds up the figures.
  void Gradient(const RankerBatch& batch, const Objective& objective);

  /// The figures alone, without dropout.
  void Score(const RankerBatch& batch, const Objective& objective);

 private:
  // Finds how the chunk of `n` samples from number `first` of the batch on belongs to partitions.
  // Chunks come in order.
  void FindRuns(const RankerBatch& batch, std::size_t first, std::size_t n);
  // Adds up the figures of a chunk and sets the slopes of its outputs.
  void ObserveChunk(const Objective& objective, std::span<const PairSample> samples);
  // Of the samples from number `first` of the batch on.
  void TakeInputs(const RankerBatch& batch, std::size_t first, std::span<const PairSample> samples);
  void AddInputSlopes(const RankerBatch& batch, std::size_t first,
                      std::span<const PairSample> samples);

  const RankerShape shape_;
  const MatrixKernels& kernels_;
  Network network_;
  Network::Passage passage_;

  // The current chunk, by partition that has samples in it, and what comes behind the chunk.
  std::vector<GradientRun> gradient_runs_;
  std::vector<DropoutRun> dropout_runs_;
  std::vector<ObjectiveSums*> run_sums_;
  std::size_t next_part_ = 0;     // Of the batch: the first that is not complete.
  std::uint32_t next_level_ = 0;  // How many gradients are on the stack.
};

}  // namespace cf
