#include "worker/models/neural_ranker.h"

#include <algorithm>

namespace cf {
namespace {

// Calls `take(first, samples)` for one chunk of samples after the other.
template <class Take>
void ForChunks(std::span<const PairSample> samples, Take take) {
  for (std::size_t first = 0; first < samples.size(); first += Network::kChunk) {
    take(first, samples.subspan(first, std::min(Network::kChunk, samples.size() - first)));
  }
}

}  // namespace

void NeuralRanker::Gradient(const RankerBatch& batch, const Objective& objective) {
  next_part_ = next_level_ = 0;
  ForChunks(batch.samples, [&](std::size_t first, std::span<const PairSample> samples) {
    FindRuns(batch, first, samples.size());
    TakeInputs(batch, first, samples);
    network_.ForwardWithDropout(dropout_runs_, passage_);
    ObserveChunk(objective, samples);
    network_.Backward(samples.size(), gradient_runs_, batch.layer_gradients, passage_);
    AddInputSlopes(batch, first, samples);
  });
  for (std::size_t l = 0; l < layers(); ++l) {
    const std::size_t weights = network_.shape().layers[l].weights();
    const LayerGradient& gradient = batch.layer_gradients[l];
    for (std::size_t level = 0; level < next_level_; ++level) {
      float* row = gradient.row + level * gradient.stride;
      std::fill(row + weights, row + gradient.stride, 0.0F);
    }
  }
}

void NeuralRanker::Score(const RankerBatch& batch, const Objective& objective) {
  next_part_ = next_level_ = 0;
  ForChunks(batch.samples, [&](std::size_t first, std::span<const PairSample> samples) {
    FindRuns(batch, first, samples.size());
    TakeInputs(batch, first, samples);
    network_.Forward(samples.size(), passage_);
    ObserveChunk(objective, samples);
  });
}

void NeuralRanker::FindRuns(const RankerBatch& batch, std::size_t first, std::size_t n) {
  gradient_runs_.clear();
  dropout_runs_.clear();
  run_sums_.clear();
  for (std::size_t at = first; at < first + n;) {
    const RankerPart& part = batch.parts[next_part_];
    const std::size_t begin = next_part_ == 0 ? 0 : batch.parts[next_part_ - 1].samples_end;
    const std::size_t end = std::min(part.samples_end, first + n);
    const bool is_complete = end == part.samples_end;
    if (at == begin) ++next_level_;
    gradient_runs_.push_back({.first = static_cast<std::uint32_t>(at - first),
                              .last = static_cast<std::uint32_t>(end - first),
                              .starts = at == begin,
                              .top = next_level_ - 1,
                              .merges = is_complete ? part.merges : 0});
    dropout_runs_.push_back(
        {.key = part.key, .position = part.position + (at - begin), .samples = end - at});
    run_sums_.push_back(part.sums);
    if (is_complete) {
      next_level_ -= part.merges;
      ++next_part_;
    }
    at = end;
  }
}

void NeuralRanker::ObserveChunk(const Objective& objective, std::span<const PairSample> samples) {
  for (std::size_t run = 0; run < gradient_runs_.size(); ++run) {
    for (std::size_t s = gradient_runs_[run].first; s < gradient_runs_[run].last; ++s) {
      passage_.set_slope(
          s, Observe(objective, passage_.output(s), samples[s].rating, *run_sums_[run]));
    }
  }
}

void NeuralRanker::TakeInputs(const RankerBatch& batch, std::size_t first,
                              std::span<const PairSample> samples) {
  for (std::size_t s = 0; s < samples.size(); ++s) {
    shape_.FillInput(
        batch.user_rows[samples[s].user], batch.item_rows[samples[s].item],
        [&](std::size_t k) {
          const RankerFeature& feature = batch.features[k];
          return feature.rows[feature.EntryOf(first + s, samples[s]).part];
        },
        passage_.input(s));
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
