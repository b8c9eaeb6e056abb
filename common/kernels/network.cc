#include "common/kernels/network.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "common/base/check.h"
#include "common/kernels/aligned.h"
#include "common/math/random.h"

namespace cf {
namespace {

constexpr std::size_t kLineFloats = kLineBytes / sizeof(float);
static_assert(kLineFloats == kLanes);

/// 0 for what is dropped, else 1 / (1 - rate), for the `width` numbers of one sample at one level.
/// Number k is made from word k mod 4 of block `first_block` + k / 4.
void DrawMask(const CounterRandom& random, std::uint64_t first_block, double rate,
              std::size_t width, float* mask) {
  const auto threshold = static_cast<std::uint64_t>(rate * 0x1p32);
  const auto kept = static_cast<float>(1.0 / (1.0 - rate));
  for (std::size_t k = 0; k < width; k += 4) {
    const PhiloxBlock block = random.Block(first_block + k / 4);
    for (std::size_t word = 0; word < 4 && k + word < width; ++word) {
      mask[k + word] = block[word] < threshold ? 0.0F : kept;
    }
  }
}

}  // namespace

PaddedMatrix::PaddedMatrix(std::size_t rows, std::size_t columns)
    : stride_(((columns + kLineFloats - 1) / kLineFloats | 1U) * kLineFloats),
      memory_(rows * stride_ + kLineFloats) {
  first_ = FloatsBeforeLine(memory_);
}

Network::Network(NetworkShape shape, const KernelSet& kernels)
    : shape_(std::move(shape)), kernels_(MatrixKernelsOf(kernels)) {
  std::uint32_t inputs = shape_.inputs;
  std::uint32_t widest = inputs;
  for (const LayerShape& layer : shape_.layers) {
    layers_.push_back({.kernel = PaddedMatrix(layer.inputs, layer.units),
                       .transposed = PaddedMatrix(layer.units, layer.inputs),
                       .biases = PaddedMatrix(1, layer.units)});
    Check(layer.inputs == inputs, "a layer takes what comes before it");
    inputs = layer.units;
    widest = std::max(widest, inputs);
  }
  zeros_ = PaddedMatrix(1, widest);
}

void Network::SetLayer(std::size_t l, const float* row) {
  Layer& layer = layers_[l];
  const std::size_t inputs = shape_.layers[l].inputs;
  const std::size_t units = shape_.layers[l].units;
  for (std::size_t i = 0; i < inputs; ++i) {
    std::copy_n(row + i * units, units, layer.kernel.row(i));
  }
  std::copy_n(row + inputs * units, units, layer.biases.row(0));
  for (std::size_t u = 0; u < units; ++u) {
    float* to = layer.transposed.row(u);
    for (std::size_t i = 0; i < inputs; ++i) to[i] = row[i * units + u];
  }
}

void Network::Forward(std::size_t n, Passage& passage) const {
  Run(n, false, passage);
}

void Network::ForwardWithDropout(std::span<const DropoutRun> runs, Passage& passage) const {
  std::size_t n = 0;
  for (const DropoutRun& run : runs) {
    for (std::size_t level = 0; level < passage.levels_.size(); ++level) {
      Passage::Level& to = passage.levels_[level];
      if (to.dropout == 0) continue;
      const CounterRandom random(
          run.key.seed, Purpose::kDropout,
          CounterRandom::Stream(run.key.epoch,
                                static_cast<std::uint32_t>(level) << 16 | run.key.partition));
      const std::uint64_t blocks = (to.width + 3) / 4;
      for (std::size_t s = 0; s < run.samples; ++s) {
        DrawMask(random, (run.position + s) * blocks, to.dropout, to.width, to.masks.row(n + s));
      }
    }
    n += run.samples;
  }
  Run(n, true, passage);
}

void Network::ForwardWithDropout(const BatchDropoutKey& key, std::span<const RowId> ids,
                                 Passage& passage) const {
  const CounterRandom random(key.seed, Purpose::kBatchDropout,
                             CounterRandom::Stream(key.epoch, key.batch));
  for (std::size_t level = 0; level < passage.levels_.size(); ++level) {
    Passage::Level& to = passage.levels_[level];
    if (to.dropout == 0) continue;
    // An id takes less than 2^16 blocks at a level.
    const std::uint64_t blocks = (to.width + 3) / 4;
    for (std::size_t s = 0; s < ids.size(); ++s) {
      DrawMask(random, std::uint64_t{level} << 48 | Index(ids[s]) * blocks, to.dropout, to.width,
               to.masks.row(s));
    }
  }
  Run(ids.size(), true, passage);
}

void Network::Run(std::size_t n, bool drops, Passage& passage) const {
  Check(n <= passage.samples_, "the passage has room for the samples");
  for (std::size_t level = 0; level < passage.levels_.size(); ++level) {
    Passage::Level& to = passage.levels_[level];
    const std::size_t columns = PaddedDim(static_cast<std::uint32_t>(to.width));
    const bool relu = level > 0 && shape_.layers[level - 1].relu;
    if (level > 0) {
      const Passage::Level& from = passage.levels_[level - 1];
      const Layer& layer = layers_[level - 1];
      kernels_.product({.a = from.values.row(0),
                        .a_row = from.values.stride(),
                        .a_step = 1,
                        .b = layer.kernel.row(0),
                        .b_stride = layer.kernel.stride(),
                        .c = to.values.row(0),
                        .c_stride = to.values.stride(),
                        .start = layer.biases.row(0),
                        .rows = n,
                        .steps = from.width,
                        .columns = columns});
    }
    const bool masked = drops && to.dropout != 0;
    if (!relu && !masked) continue;
    for (std::size_t s = 0; s < n; ++s) {
      kernels_.activate(relu, masked ? to.masks.row(s) : nullptr, columns, to.values.row(s));
    }
  }
}

void Network::Backward(std::size_t n, std::span<const GradientRun> runs,
                       std::span<const LayerGradient> gradients, Passage& passage) const {
  for (std::size_t level = passage.levels_.size(); level-- > 0;) {
    Passage::Level& to = passage.levels_[level];
    const std::size_t columns = PaddedDim(static_cast<std::uint32_t>(to.width));
    const bool relu = level > 0 && shape_.layers[level - 1].relu;
    if (relu || to.dropout != 0) {
      for (std::size_t s = 0; s < n; ++s) {
        kernels_.activate_backward(relu, to.dropout != 0 ? to.masks.row(s) : nullptr,
                                   to.values.row(s), columns, to.slopes.row(s));
      }
    }
    if (level == 0) return;
    Passage::Level& from = passage.levels_[level - 1];
    if (!gradients.empty()) SumGradient(level - 1, runs, gradients[level - 1], passage);
    const PaddedMatrix& transposed = layers_[level - 1].transposed;
    kernels_.product({.a = to.slopes.row(0),
                      .a_row = to.slopes.stride(),
                      .a_step = 1,
                      .b = transposed.row(0),
                      .b_stride = transposed.stride(),
                      .c = from.slopes.row(0),
                      .c_stride = from.slopes.stride(),
                      .start = zeros_.row(0),
                      .rows = n,
                      .steps = to.width,
                      .columns = PaddedDim(static_cast<std::uint32_t>(from.width))});
  }
}

void Network::SumGradient(std::size_t l, std::span<const GradientRun> runs,
                          const LayerGradient& gradient, const Passage& passage) const {
  const std::size_t inputs = shape_.layers[l].inputs;
  const std::size_t units = shape_.layers[l].units;
  const PaddedMatrix& values = passage.levels_[l].values;
  const PaddedMatrix& slopes = passage.levels_[l + 1].slopes;
  GradientProduct product{.a = values.row(0),
                          .a_row = 1,
                          .a_step = values.stride(),
                          .b = slopes.row(0),
                          .b_stride = slopes.stride(),
                          .c = gradient.row,
                          .c_stride = units,
                          .level_stride = gradient.stride,
                          .rows = inputs,
                          .columns = units,
                          .runs = runs};
  if (units == 1) {
    // The kernel is one column: the same sums as one row fill whole registers.
    std::swap(product.a, product.b);
    std::swap(product.a_step, product.b_stride);
    std::swap(product.rows, product.columns);
  }
  kernels_.gradient(product);
  // Biases are a kernel's row whose input is always 1: fma(1, g, sum) = g + sum.
  const float one = 1.0F;
  kernels_.gradient({.a = &one,
                     .a_row = 0,
                     .a_step = 0,
                     .b = slopes.row(0),
                     .b_stride = slopes.stride(),
                     .c = gradient.row + inputs * units,
                     .c_stride = units,
                     .level_stride = gradient.stride,
                     .rows = 1,
                     .columns = units,
                     .runs = runs});
}

Network::Passage::Passage(const NetworkShape& shape, Use use, std::size_t samples) : use_(use) {
  const auto add_level = [this](std::size_t width, double dropout) {
    Level& level = levels_.emplace_back();
    level.width = width;
    level.dropout = dropout;
  };
  add_level(shape.inputs, shape.dropout);
  for (const LayerShape& layer : shape.layers) {
    add_level(layer.units, layer.dropout);
  }
  Reserve(samples);
}

void Network::Passage::Reserve(std::size_t samples) {
  if (samples <= samples_) return;
  samples_ = samples;
  for (Level& level : levels_) {
    level.values = PaddedMatrix(samples, level.width);
    if (use_ != Use::kTraining) continue;
    level.slopes = PaddedMatrix(samples, level.width);
    if (level.dropout != 0) level.masks = PaddedMatrix(samples, level.width);
  }
}

}  // namespace cf
