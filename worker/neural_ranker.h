#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/rows/tables.h"
#include "worker/minibatch.h"

namespace cf {

/// One feature's vectors for the samples of a partition. `rows[k]` points at the vector of entry k,
/// whose gradient starts at `gradients + k * stride`. An entry is the sample's entry of users or
/// items, or one of the feature's own: then `samples` has it for each sample.
struct RankerFeature {
  FeatureSide side = FeatureSide::kSample;
  std::span<const TableBatch::Touched> samples;
  const float* const* rows = nullptr;
  float* gradients = nullptr;
  std::size_t stride = 0;

  /// Of sample number s of the partition.
  TableBatch::Touched EntryOf(std::size_t s, const PairSample& sample) const {
    if (side == FeatureSide::kUser) return {sample.user, sample.user_is_first != 0};
    if (side == FeatureSide::kItem) return {sample.item, sample.item_is_first != 0};
    return samples[s];
  }
};

/// Samples of one partition with their rows, for a ranker. `user_rows[k]` points at the vector of
/// entry k; its gradient starts at `user_gradients + k * user_stride`. All of a gradient's floats
/// are written: behind the vector there are zeros.
struct RankerBatch {
  std::span<const PairSample> samples;
  const float* const* user_rows = nullptr;
  const float* const* item_rows = nullptr;
  float* user_gradients = nullptr;
  float* item_gradients = nullptr;
  std::size_t user_stride = 0;
  std::size_t item_stride = 0;
  std::span<const RankerFeature> features = {};
  std::span<float* const> layer_gradients;  ///< By layer: of this partition.
  std::span<const std::size_t> layer_strides;
};

/// The gradient of a neural ranker over the samples of a partition: what pair_gradient is for a
/// factorisation, with a network behind the vectors.
///
/// Owner:   Trainer. Threads: the seat's compute thread.
/// Bounds:  the network and one passage through it; no allocation after construction.
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
  /// the layers, and adds the figures to `sums`. The samples are the numbers `position` and on of
  /// the partition's epoch: dropout depends on it.
  void Gradient(const RankerBatch& batch, const Objective& objective, const DropoutKey& key,
                std::uint64_t position, ObjectiveSums& sums);

  /// The figures alone, without dropout.
  void Score(const RankerBatch& batch, const Objective& objective, ObjectiveSums& sums);

 private:
  // Of the samples from number `first` of the batch on.
  void TakeInputs(const RankerBatch& batch, std::size_t first, std::span<const PairSample> samples);
  void AddInputSlopes(const RankerBatch& batch, std::size_t first,
                      std::span<const PairSample> samples);

  const RankerShape shape_;
  const MatrixKernels& kernels_;
  Network network_;
  Network::Passage passage_;
};

}  // namespace cf
