#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/kernels.h"
#include "common/kernels/matrix.h"
#include "common/kernels/network.h"
#include "common/kernels/softmax.h"
#include "common/model/retrieval.h"
#include "worker/models/batch_items.h"

namespace cf {

/// Samples of one partition with their rows, for retrieval. The gradients of the partition's items
/// are those of all candidates, in their order: `first_item` is the entry of the first, and so
/// what a sample's `item` is counted from.
struct SoftmaxBatch {
  std::span<const PairSample> samples;
  std::uint32_t first_item = 0;
  const float* const* user_rows = nullptr;
  float* user_gradients = nullptr;
  float* item_gradients = nullptr;  ///< Of the first candidate.
  std::size_t gradient_stride = 0;
};

/// The gradient of in-batch softmax: what pair_gradient is for a factorisation, with the items of
/// the whole global batch as candidates (docs/arithmetic.md). A candidate is computed once, however
/// many samples of the batch have it.
///
/// Owner:   TwoTower.
/// Threads: the seat's compute thread.
/// Bounds:  the vectors of a batch's items twice, and a chunk of logits, at most kLogits or those
///          of 8 samples; no allocation but when a batch has more candidates than any before.
class BatchSoftmax {
 public:
  /// The logits of a chunk of samples stay in the second cache.
  static constexpr std::size_t kLogits = std::size_t{1} << 17;

  /// `negative_log_shares`, by item, is for the logQ correction and otherwise empty.
  BatchSoftmax(const SoftmaxShape& shape, std::vector<float> negative_log_shares,
               const KernelSet& kernels);

  /// The candidates of the batches to come: rows[r] points at the vector of candidate r.
  /// Requires: at least one.
  void SetCandidates(const Candidates& candidates, const float* const* rows);

  /// Adds every sample's gradient to that of its user, in the order of the samples, sums those of
  /// all candidates, and adds the losses to `sums`. Gradients are written whole: behind the vector
  /// there are zeros. Requires: at least one sample.
  void Gradient(const SoftmaxBatch& batch, ObjectiveSums& sums);

  /// The losses alone.
  void Score(const SoftmaxBatch& batch, ObjectiveSums& sums);

 private:
  struct Matrix {
    PaddedMatrix floats;
    std::size_t rows = 0;
    std::size_t columns = 0;

    /// Makes room; the floats are any.
    void Reserve(std::size_t r, std::size_t c);
  };

  std::size_t ChunkSamples() const;
  template <class Take>
  void ForChunks(std::span<const PairSample> samples, Take take);
  void ComputeLogits(const SoftmaxBatch& batch, std::span<const PairSample> samples);
  // Adds the loss of the chunk's sample s; its logits become their weights in the softmax. Returns
  // the sum of these.
  float Observe(std::size_t s, std::uint32_t target, ObjectiveSums& sums);
  void AddUserGradients(const SoftmaxBatch& batch, std::span<const PairSample> samples);
  void AddItemGradients(const SoftmaxBatch& batch, std::size_t samples, bool is_first);

  const SoftmaxShape shape_;
  const std::vector<float> negative_log_shares_;
  const MatrixKernels& matrix_;
  const SoftmaxKernels& softmax_;
  const std::size_t padded_dim_;

  std::size_t candidates_ = 0;
  std::size_t columns_ = 0;  // Candidates, padded.
  Matrix transposed_;        // Vectors: by dimension and then candidate.
  Matrix scaled_;            // Vectors over the temperature: by candidate.
  Matrix starts_;            // One row: what a logit starts from; of padding, -infinity.
  Matrix counts_;            // One row: of padding, 0.
  Matrix zeros_;             // One row of padded_dim.
  Matrix users_;             // Of a chunk: vectors over the temperature.
  Matrix user_slopes_;       // Of a chunk.
  Matrix logits_;            // Of a chunk; then their derivatives.
};

}  // namespace cf
