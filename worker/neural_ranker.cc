#include "worker/neural_ranker.h"

#include <algorithm>

namespace cf {
namespace {

// Calls `take(first, samples)` for one block of samples after the other.
template <class Take>
void ForBlocks(std::span<const PairSample> samples, Take take) {
  for (std::size_t first = 0; first < samples.size(); first += Network::kBlock) {
    take(first, samples.subspan(first, std::min(Network::kBlock, samples.size() - first)));
  }
}

}  // namespace

void NeuralRanker::Gradient(const RankerBatch& batch, const Objective& objective,
                            const DropoutKey& key, std::uint64_t position, ObjectiveSums& sums) {
  passage_.StartGradient();
  ForBlocks(batch.samples, [&](std::size_t first, std::span<const PairSample> samples) {
    TakeInputs(batch, first, samples);
    network_.ForwardWithDropout(key, position + first, samples.size(), passage_);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      passage_.set_slope(s, Observe(objective, passage_.output(s), samples[s].rating, sums));
    }
    network_.Backward(samples.size(), passage_);
    AddInputSlopes(batch, first, samples);
  });
  for (std::size_t l = 0; l < layers(); ++l) {
    const std::size_t weights = network_.shape().layers[l].weights();
    float* gradient = batch.layer_gradients[l];
    passage_.CopyGradient(l, gradient);
    std::fill(gradient + weights, gradient + batch.layer_strides[l], 0.0F);
  }
}

void NeuralRanker::Score(const RankerBatch& batch, const Objective& objective,
                         ObjectiveSums& sums) {
  ForBlocks(batch.samples, [&](std::size_t first, std::span<const PairSample> samples) {
    TakeInputs(batch, first, samples);
    network_.Forward(samples.size(), passage_);
    for (std::size_t s = 0; s < samples.size(); ++s) {
      Observe(objective, passage_.output(s), samples[s].rating, sums);
    }
  });
}

void NeuralRanker::TakeInputs(const RankerBatch& batch, std::size_t first,
                              std::span<const PairSample> samples) {
  for (std::size_t s = 0; s < samples.size(); ++s) {
    float* input = passage_.input(s);
    std::copy_n(batch.user_rows[samples[s].user], shape_.user_dim, input + shape_.user_at());
    std::copy_n(batch.item_rows[samples[s].item], shape_.item_dim, input + shape_.item_at());
    float* at = input + shape_.features_at();
    for (std::size_t k = 0; k < batch.features.size(); ++k) {
      const std::uint32_t entry = batch.features[k].EntryOf(first + s, samples[s]).part;
      at = std::copy_n(batch.features[k].rows[entry], shape_.feature_dims[k], at);
    }
  }
}

void NeuralRanker::AddInputSlopes(const RankerBatch& batch, std::size_t first,
                                  std::span<const PairSample> samples) {
  const auto add = [this](bool is_first, const float* slope, std::size_t dim, std::size_t stride,
                          float* gradient) {
    if (!is_first) return kernels_.add(gradient, slope, dim);
    std::copy_n(slope, dim, gradient);
    std::fill(gradient + dim, gradient + stride, 0.0F);
  };
  for (std::size_t s = 0; s < samples.size(); ++s) {
    const PairSample& sample = samples[s];
    const float* slope = passage_.input_slope(s);
    add(sample.user_is_first != 0, slope + shape_.user_at(), shape_.user_dim, batch.user_stride,
        batch.user_gradients + sample.user * batch.user_stride);
    add(sample.item_is_first != 0, slope + shape_.item_at(), shape_.item_dim, batch.item_stride,
        batch.item_gradients + sample.item * batch.item_stride);
    slope += shape_.features_at();
    for (std::size_t k = 0; k < batch.features.size(); ++k) {
      const RankerFeature& feature = batch.features[k];
      const auto [entry, is_first] = feature.EntryOf(first + s, sample);
      add(is_first, slope, shape_.feature_dims[k], feature.stride,
          feature.gradients + entry * feature.stride);
      slope += shape_.feature_dims[k];
    }
  }
}

}  // namespace cf
