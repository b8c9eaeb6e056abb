#include "worker/models/batch_softmax.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

constexpr std::size_t kChunkMin = 8;  // A tile of the matrix product.
constexpr std::size_t kChunkMax = 64;

}  // namespace

void BatchSoftmax::Matrix::Reserve(std::size_t r, std::size_t c) {
  if (r <= rows && c <= columns) return;
  // More than is asked for, lest every batch that is a little larger allocates.
  rows = std::max(rows, r > rows ? r + r / 4 : r);
  columns = std::max(columns, c > columns ? c + c / 4 : c);
  floats = PaddedMatrix(rows, columns);
}

BatchSoftmax::BatchSoftmax(const SoftmaxShape& shape, std::vector<float> negative_log_shares,
                           const KernelSet& kernels)
    : shape_(shape),
      negative_log_shares_(std::move(negative_log_shares)),
      matrix_(MatrixKernelsOf(kernels)),
      softmax_(SoftmaxKernelsOf(kernels)),
      padded_dim_(PaddedDim(shape.dim)) {
  Check(negative_log_shares_.empty() != shape_.logq_correction,
        "there are shares of the items where they are needed");
  zeros_.Reserve(1, padded_dim_);
  users_.Reserve(kChunkMax, padded_dim_);
  user_slopes_.Reserve(kChunkMax, padded_dim_);
}

void BatchSoftmax::SetCandidates(const Candidates& candidates, const float* const* rows) {
  candidates_ = candidates.items.size();
  columns_ = PaddedDim(static_cast<std::uint32_t>(candidates_));
  transposed_.Reserve(padded_dim_, columns_);
  scaled_.Reserve(candidates_, padded_dim_);
  starts_.Reserve(1, columns_);
  counts_.Reserve(1, columns_);
  logits_.Reserve(ChunkSamples(), columns_);
  float* starts = starts_.floats.row(0);
  float* counts = counts_.floats.row(0);
  for (std::size_t r = 0; r < candidates_; ++r) {
    float* scaled = scaled_.floats.row(r);
    for (std::size_t k = 0; k < padded_dim_; ++k) {
      transposed_.floats.row(k)[r] = rows[r][k];
      scaled[k] = rows[r][k] * shape_.inverse_temperature;
    }
    starts[r] = shape_.logq_correction ? negative_log_shares_[Index(candidates.items[r])] : 0.0F;
    counts[r] = static_cast<float>(candidates.counts[r]);
  }
  for (std::size_t k = 0; k < padded_dim_; ++k) {
    std::fill(transposed_.floats.row(k) + candidates_, transposed_.floats.row(k) + columns_, 0.0F);
  }
  std::fill(starts + candidates_, starts + columns_, -std::numeric_limits<float>::infinity());
  std::fill(counts + candidates_, counts + columns_, 0.0F);
}

void BatchSoftmax::Gradient(const SoftmaxBatch& batch, ObjectiveSums& sums) {
  bool is_first = true;
  ForChunks(batch.samples, [&](std::span<const PairSample> samples) {
    ComputeLogits(batch, samples);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      const std::uint32_t target = samples[s].item - batch.first_item;
      const float sum = Observe(s, target, sums);
      float* slopes = logits_.floats.row(s);
      softmax_.scale(shape_.weight / sum, columns_, slopes);
      slopes[target] -= shape_.weight;
    }
    AddUserGradients(batch, samples);
    AddItemGradients(batch, samples.size(), is_first);
    is_first = false;
  });
}

void BatchSoftmax::Score(const SoftmaxBatch& batch, ObjectiveSums& sums) {
  ForChunks(batch.samples, [&](std::span<const PairSample> samples) {
    ComputeLogits(batch, samples);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      Observe(s, samples[s].item - batch.first_item, sums);
    }
  });
}

std::size_t BatchSoftmax::ChunkSamples() const {
  return std::clamp(kLogits / columns_, kChunkMin, kChunkMax);
}

// No bit depends on the length of the chunks: products are chains in the order of the samples.
template <class Take>
void BatchSoftmax::ForChunks(std::span<const PairSample> samples, Take take) {
  const std::size_t chunk = ChunkSamples();
  for (std::size_t first = 0; first < samples.size(); first += chunk) {
    take(samples.subspan(first, std::min(chunk, samples.size() - first)));
  }
}

void BatchSoftmax::ComputeLogits(const SoftmaxBatch& batch, std::span<const PairSample> samples) {
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const float* user = batch.user_rows[samples[s].user];
    float* scaled = users_.floats.row(s);
    for (std::size_t k = 0; k < padded_dim_; ++k) scaled[k] = user[k] * shape_.inverse_temperature;
  }
  matrix_.product({.a = users_.floats.row(0),
                   .a_row = users_.floats.stride(),
                   .a_step = 1,
                   .b = transposed_.floats.row(0),
                   .b_stride = transposed_.floats.stride(),
                   .c = logits_.floats.row(0),
                   .c_stride = logits_.floats.stride(),
                   .start = starts_.floats.row(0),
                   .rows = samples.size(),
                   .steps = shape_.dim,
                   .columns = columns_});
}

float BatchSoftmax::Observe(std::size_t s, std::uint32_t target, ObjectiveSums& sums) {
  float* logits = logits_.floats.row(s);
  float& count = counts_.floats.row(0)[target];
  const float logit = logits[target];
  const float all = count;
  if (shape_.remove_accidental_hits) count = 1;
  const SoftmaxKernels::Sum sum = softmax_.exponentiate(counts_.floats.row(0), columns_, logits);
  count = all;
  sums.loss += math::Log(static_cast<double>(sum.sum)) +
               (static_cast<double>(sum.largest) - static_cast<double>(logit));
  ++sums.samples;
  return sum.sum;
}

void BatchSoftmax::AddUserGradients(const SoftmaxBatch& batch,
                                    std::span<const PairSample> samples) {
  matrix_.product({.a = logits_.floats.row(0),
                   .a_row = logits_.floats.stride(),
                   .a_step = 1,
                   .b = scaled_.floats.row(0),
                   .b_stride = scaled_.floats.stride(),
                   .c = user_slopes_.floats.row(0),
                   .c_stride = user_slopes_.floats.stride(),
                   .start = zeros_.floats.row(0),
                   .rows = samples.size(),
                   .steps = candidates_,
                   .columns = padded_dim_});
  for (std::size_t s = 0; s < samples.size(); ++s) {
    float* gradient = batch.user_gradients + samples[s].user * batch.gradient_stride;
    const float* slope = user_slopes_.floats.row(s);
    if (samples[s].user_is_first == 0) {
      matrix_.add(gradient, slope, padded_dim_);
    } else {
      std::copy_n(slope, padded_dim_, gradient);
      std::fill(gradient + padded_dim_, gradient + batch.gradient_stride, 0.0F);
    }
  }
}

void BatchSoftmax::AddItemGradients(const SoftmaxBatch& batch, std::size_t samples, bool is_first) {
  matrix_.product({.a = logits_.floats.row(0),
                   .a_row = 1,
                   .a_step = logits_.floats.stride(),
                   .b = users_.floats.row(0),
                   .b_stride = users_.floats.stride(),
                   .c = batch.item_gradients,
                   .c_stride = batch.gradient_stride,
                   .start = is_first ? zeros_.floats.row(0) : nullptr,
                   .rows = candidates_,
                   .steps = samples,
                   .columns = padded_dim_});
  for (std::size_t r = 0; is_first && r < candidates_; ++r) {
    float* gradient = batch.item_gradients + r * batch.gradient_stride;
    std::fill(gradient + padded_dim_, gradient + batch.gradient_stride, 0.0F);
  }
}

}  // namespace cf
