#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/kernels/matrix.h"

namespace cf {

/// output = dropout(activation(input * kernel + bias)).
struct LayerShape {
  std::uint32_t inputs = 0;
  std::uint32_t units = 0;
  bool relu = false;   ///< Else the activation is linear.
  double dropout = 0;  ///< In training: the probability that an output is 0.

  /// Of the layer's row: the kernel, row-major by input and then unit, and then the biases.
  std::size_t weights() const { return (std::size_t{inputs} + 1) * units; }
};

/// A stack of dense layers; without any the outputs are the inputs.
struct NetworkShape {
  std::uint32_t inputs = 0;
  double dropout = 0;  ///< Of the inputs.
  std::vector<LayerShape> layers;

  std::uint32_t outputs() const { return layers.empty() ? inputs : layers.back().units; }
};

/// Which random numbers drop: those of a visit of a partition's sample, which is the same whatever
/// the number of ranks.
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint32_t partition = 0;
};

/// Samples of one partition that lie side by side: the numbers `position` and on of its epoch.
struct DropoutRun {
  DropoutKey key{};
  std::uint64_t position = 0;
  std::size_t samples = 0;
};

/// The same of rows that a global batch has once, whoever computes them: those of batch `batch` of
/// the epoch.
struct BatchDropoutKey {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint32_t batch = 0;
};

/// Where a layer's gradient is summed, in the form of its row. The stack of GradientRun has a level
/// every `stride` floats.
struct LayerGradient {
  float* row = nullptr;
  std::size_t stride = 0;
};

/// A matrix whose rows are a whole, odd number of cache lines, so that a column's elements do not
/// compete for the same places of the cache. Zeros at first.
class PaddedMatrix {
 public:
  PaddedMatrix() = default;
  PaddedMatrix(std::size_t rows, std::size_t columns);

  std::size_t stride() const { return stride_; }
  float* row(std::size_t r) { return data() + r * stride_; }
  const float* row(std::size_t r) const { return data() + r * stride_; }

 private:
  float* data() { return memory_.data() + first_; }
  const float* data() const { return memory_.data() + first_; }

  std::size_t stride_ = 0;
  std::size_t first_ = 0;  // Of the first aligned float.
  std::vector<float> memory_;
};

/// The weights of a NetworkShape, in the form that the kernels read. Formulas: docs/arithmetic.md.
///
/// Owner:   a model of a worker seat, or a served model.
/// Threads: any that do not change it.
/// Bounds:  the weights twice, each row padded.
class Network {
 public:
  /// Samples that best go through the layers together: their activations stay in the second cache.
  static constexpr std::size_t kChunk = 64;

  class Passage;

  /// Requires: every layer's inputs are what comes before it.
  Network(NetworkShape shape, const KernelSet& kernels);

  const NetworkShape& shape() const { return shape_; }

  /// Takes the weights of layer `l` from its row.
  void SetLayer(std::size_t l, const float* row);

  /// The weights of layer `l`: the kernel's row of one input, and the biases; `units` floats each.
  const float* kernel_row(std::size_t l, std::size_t input) const {
    return layers_[l].kernel.row(input);
  }
  const float* biases(std::size_t l) const { return layers_[l].biases.row(0); }

  /// Computes passage.outputs(s) for the inputs of s < n, for which the passage has room.
  void Forward(std::size_t n, Passage& passage) const;

  /// The same with the dropout of training, for the samples of all runs, one behind the other.
  void ForwardWithDropout(std::span<const DropoutRun> runs, Passage& passage) const;

  /// Forwards the rows `ids` with the dropout of training; a row's mask is drawn by its id, wherever
  /// it stands in the batch.
  void ForwardWithDropout(const BatchDropoutKey& key, std::span<const RowId> ids,
                          Passage& passage) const;

  /// From the slopes, the derivatives by the outputs: sums the gradients of the weights, by layer
  /// and as the runs say, which cover s < n in order, and computes passage.input_slope(s). Without
  /// gradients it does the latter alone.
  /// Requires: the last ForwardWithDropout was of the same n samples, or the last Forward where the
  /// passage is of a shape without dropout.
  void Backward(std::size_t n, std::span<const GradientRun> runs,
                std::span<const LayerGradient> gradients, Passage& passage) const;

 private:
  struct Layer {
    PaddedMatrix kernel;      // By input.
    PaddedMatrix transposed;  // By unit.
    PaddedMatrix biases;      // One row.
  };

  void Run(std::size_t n, bool drops, Passage& passage) const;
  void SumGradient(std::size_t l, std::span<const GradientRun> runs, const LayerGradient& gradient,
                   const Passage& passage) const;

  NetworkShape shape_;
  const MatrixKernels& kernels_;
  std::vector<Layer> layers_;
  PaddedMatrix zeros_;  // One row, as long as any.
};

/// One chunk of samples on its way through a network: inputs, activations, slopes. Rows of inputs
/// and outputs are padded as those of PaddedMatrix; the padding of outputs is zeros.
///
/// Owner:   whoever runs the network, one a thread.
/// Threads: one at a time.
/// Bounds:  its samples times the inputs and units; for training three times that.
class Network::Passage {
 public:
  enum class Use : std::uint8_t { kForward, kTraining };

  /// Only a passage for training goes through ForwardWithDropout and Backward.
  Passage(const NetworkShape& shape, Use use, std::size_t samples = kChunk);

  /// Makes room for so many samples; what was there is lost.
  void Reserve(std::size_t samples);

  float* input(std::size_t s) { return levels_[0].values.row(s); }
  const float* outputs(std::size_t s) const { return levels_.back().values.row(s); }
  float* output_slopes(std::size_t s) { return levels_.back().slopes.row(s); }
  std::size_t output_stride() const { return levels_.back().values.stride(); }
  const float* input_slope(std::size_t s) const { return levels_[0].slopes.row(s); }

  /// The output of sample s. Requires: the network has one.
  float output(std::size_t s) const { return outputs(s)[0]; }
  void set_slope(std::size_t s, float slope) { output_slopes(s)[0] = slope; }

 private:
  friend class Network;

  // The input of the first layer, or the output of layer l - 1.
  struct Level {
    std::size_t width = 0;
    double dropout = 0;
    PaddedMatrix values;
    PaddedMatrix slopes;
    PaddedMatrix masks;  // Empty without dropout.
  };

  Use use_;
  std::size_t samples_ = 0;
  std::vector<Level> levels_;
};

}  // namespace cf
