#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/model/retrieval.h"
#include "worker/models/batch_items.h"
#include "worker/models/batch_softmax.h"

namespace cf {

/// Samples of one partition with their rows, for retrieval: as SoftmaxBatch, with the layers.
struct TwoTowerBatch {
  std::span<const PairSample> samples;
  std::uint32_t first_item = 0;
  const float* const* user_rows = nullptr;
  float* user_gradients = nullptr;
  float* item_gradients = nullptr;  ///< Of the first candidate.
  std::size_t user_stride = 0;
  std::size_t item_stride = 0;
  std::span<const LayerGradient> layer_gradients;  ///< By layer: of this partition.
};

/// The gradient of two-tower retrieval: what pair_gradient is for a factorisation. Users' and
/// items' vectors go through dense layers of their own, whose outputs a BatchSoftmax compares; a
/// tower without layers gives the vectors as they are.
///
/// A sample goes through the user tower, and a candidate through the item tower once for each
/// batch. Backwards the candidates go once for each partition that has samples, since the item
/// tower's gradient is summed along the tree over the partitions like that of any row: next to the
/// softmax itself that is little (docs/arithmetic.md).
///
/// Owner:   TowerModel.
/// Threads: the seat's compute thread.
/// Bounds:  those of BatchSoftmax; with layers also the activations of a partition's samples and of
///          a batch's candidates; no allocation but when there are more of them than ever before.
class TwoTower {
 public:
  /// As BatchSoftmax. Requires: both towers' outputs are as long as the softmax says.
  TwoTower(const TowerShapes& towers, const SoftmaxShape& softmax,
           std::vector<float> negative_log_shares, const KernelSet& kernels);

  std::size_t layers() const { return user_layers_ + item_layers_; }

  /// The weights of a layer for the batches to come, the user tower's first: its row.
  void SetLayer(std::size_t l, const float* row);

  /// The candidates of the batches to come: rows[r] is the row of candidate r. With a key they are
  /// dropped out as training does. Requires: at least one; the layers are set.
  void SetCandidates(const Candidates& candidates, const float* const* rows,
                     const std::optional<BatchDropoutKey>& key);

  /// Adds every sample's gradient to that of its user, in the order of the samples, sums those of
  /// all candidates and of the layers, and adds the losses to `sums`. Gradients are written whole.
  /// The samples are the numbers `position` and on of the partition's epoch. Requires: at least one
  /// sample.
  void Gradient(const TwoTowerBatch& batch, const DropoutKey& key, std::uint64_t position,
                ObjectiveSums& sums);

  /// The losses alone, without dropout.
  void Score(const TwoTowerBatch& batch, ObjectiveSums& sums);

 private:
  SoftmaxBatch Direct(const TwoTowerBatch& batch) const;
  SoftmaxBatch TakeUsers(const TwoTowerBatch& batch);
  void AddUserGradients(const TwoTowerBatch& batch);
  void WriteItemGradients(const TwoTowerBatch& batch);

  const std::size_t user_layers_;
  const std::size_t item_layers_;
  const MatrixKernels& kernels_;
  BatchSoftmax softmax_;
  Network user_tower_;
  Network item_tower_;
  Network::Passage users_;  // Of a partition's samples.
  Network::Passage items_;  // Of the candidates.
  std::size_t candidates_ = 0;
  std::vector<PairSample> samples_;         // Each with a user of its own.
  std::vector<const float*> user_outputs_;  // By sample.
  std::vector<const float*> item_outputs_;  // By candidate.
};

}  // namespace cf
