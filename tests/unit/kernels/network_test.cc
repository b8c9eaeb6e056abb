// A network's outputs and gradients against a plain one in double precision, with numerical
// derivatives, and its dropout.

#include "common/kernels/network.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/kernels/objective.h"
#include "common/math/random.h"

namespace cf::network_test {
namespace {

constexpr DropoutKey kKey = {.seed = 9, .epoch = 3, .partition = 5};
constexpr std::uint64_t kPosition = 1000;  // Of the first sample in its partition's epoch.
constexpr std::size_t kSamples = 21;       // Tiles of every size.

const KernelSet& BestKernels() {
  return *KernelsFor(KernelTarget::kBest).value();
}

/// Whether dropout keeps number `k` at `level`, as docs/arithmetic.md says it.
bool IsKept(const DropoutKey& key, std::size_t level, std::uint64_t sample, std::size_t width,
            std::size_t k, double rate) {
  const CounterRandom random(
      key.seed, Purpose::kDropout,
      CounterRandom::Stream(key.epoch, static_cast<std::uint32_t>(level) << 16 | key.partition));
  const PhiloxBlock block = random.Block(sample * ((width + 3) / 4) + k / 4);
  return static_cast<double>(block[k % 4]) >= std::floor(rate * 0x1p32);
}

/// A network with all of its parameters, and samples to run it on, in double precision.
struct SlowNetwork {
  NetworkShape shape;
  std::vector<std::vector<double>> layers;  // By layer: its row.
  std::vector<std::vector<double>> inputs;  // By sample.

  double Dropped(double value, std::size_t level, std::size_t s, std::size_t width, std::size_t k,
                 double rate, bool drops) const {
    if (!drops || rate == 0) return value;
    return IsKept(kKey, level, kPosition + s, width, k, rate) ? value / (1 - rate) : 0;
  }

  double Output(std::size_t s, bool drops) const {
    std::vector<double> values = inputs[s];
    for (std::size_t k = 0; k < values.size(); ++k) {
      values[k] = Dropped(values[k], 0, s, values.size(), k, shape.dropout, drops);
    }
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const LayerShape& layer = shape.layers[l];
      std::vector<double> outputs(layer.units);
      for (std::size_t u = 0; u < layer.units; ++u) {
        double sum = layers[l][layer.inputs * layer.units + u];
        for (std::size_t i = 0; i < layer.inputs; ++i) {
          sum += values[i] * layers[l][i * layer.units + u];
        }
        if (layer.relu) sum = std::max(sum, 0.0);
        outputs[u] = Dropped(sum, l + 1, s, layer.units, u, layer.dropout, drops);
      }
      values = outputs;
    }
    return values[0];
  }
};

double LossOf(const Objective& objective, double raw, double rating) {
  if (objective.link == Objective::Link::kIdentity) return (raw - rating) * (raw - rating);
  const double minimum = static_cast<double>(objective.rating_min);
  const double range = static_cast<double>(objective.rating_range);
  const double share = 1 / (1 + std::exp(-raw));
  const double target = (rating - minimum) / range;
  if (objective.loss == Objective::Loss::kCrossEntropy) {
    return std::log1p(std::exp(raw)) - target * raw;
  }
  const double scale = objective.link == Objective::Link::kScaledSigmoid ? range : 1;
  return scale * scale * (share - target) * (share - target);
}

/// Where a network's gradients go, a row a layer.
struct Gradients {
  explicit Gradients(const NetworkShape& shape) {
    for (const LayerShape& layer : shape.layers) rows.emplace_back(layer.weights(), NAN);
    for (std::vector<float>& row : rows) places.push_back({.row = row.data(), .stride = 0});
  }

  std::vector<std::vector<float>> rows;
  std::vector<LayerGradient> places;
};

class NetworkTest : public ::testing::Test {
 protected:
  /// Draws parameters and samples that are exact in a float.
  SlowNetwork Draw(const NetworkShape& shape) {
    SlowNetwork slow{.shape = shape, .layers = {}, .inputs = {}};
    const auto draw = [this](std::size_t count, double scale) {
      std::vector<double> values(count);
      for (double& value : values) {
        value = scale * (static_cast<double>(random_.UniformFloat(drawn_++)) - 0.5);
      }
      return values;
    };
    for (const LayerShape& layer : shape.layers) slow.layers.push_back(draw(layer.weights(), 1));
    for (std::size_t s = 0; s < kSamples; ++s) slow.inputs.push_back(draw(shape.inputs, 2));
    for (std::size_t s = 0; s < kSamples; ++s) ratings_.push_back(static_cast<float>(1 + s % 5));
    return slow;
  }

  static void Load(const SlowNetwork& slow, Network& network, Network::Passage& passage) {
    for (std::size_t l = 0; l < slow.layers.size(); ++l) {
      const std::vector<float> row(slow.layers[l].begin(), slow.layers[l].end());
      network.SetLayer(l, row.data());
    }
    for (std::size_t s = 0; s < kSamples; ++s) {
      std::copy(slow.inputs[s].begin(), slow.inputs[s].end(), passage.input(s));
    }
  }

  /// Samples from number `first` on, with dropout.
  static void Forward(const Network& network, std::size_t first, std::size_t n,
                      Network::Passage& passage) {
    const DropoutRun run{.key = kKey, .position = kPosition + first, .samples = n};
    network.ForwardWithDropout(std::span(&run, 1), passage);
  }

  /// The derivative of the samples' loss by `parameter`, which is a part of `slow`.
  double Derivative(const SlowNetwork& slow, const Objective& objective, double& parameter) const {
    constexpr double kStep = 1e-5;
    const double at = parameter;
    double losses[2];
    for (const int side : {0, 1}) {
      parameter = at + (side == 0 ? -kStep : kStep);
      losses[side] = 0;
      for (std::size_t s = 0; s < kSamples; ++s) {
        losses[side] += LossOf(objective, slow.Output(s, true), static_cast<double>(ratings_[s]));
      }
    }
    parameter = at;
    return (losses[1] - losses[0]) / (2 * kStep);
  }

  void ExpectGradientIsNumerical(const NetworkShape& shape, const Objective& objective) {
    SlowNetwork slow = Draw(shape);
    Network network(shape, BestKernels());
    Network::Passage passage(shape, Network::Passage::Use::kTraining);
    Load(slow, network, passage);
    Forward(network, 0, kSamples, passage);
    ObjectiveSums sums;
    for (std::size_t s = 0; s < kSamples; ++s) {
      EXPECT_NEAR(static_cast<double>(passage.output(s)), slow.Output(s, true), 1e-4);
      passage.set_slope(s, Observe(objective, passage.output(s), ratings_[s], sums));
    }
    Gradients gradients(shape);
    const GradientRun run{.last = kSamples};
    network.Backward(kSamples, std::span(&run, 1), gradients.places, passage);
    const auto expect_near = [](float got, double expected) {
      EXPECT_NEAR(static_cast<double>(got), expected, 2e-3 * std::max(1.0, std::abs(expected)));
    };
    for (std::size_t l = 0; l < shape.layers.size(); ++l) {
      const std::vector<float>& gradient = gradients.rows[l];
      for (std::size_t k = 0; k < gradient.size(); ++k) {
        expect_near(gradient[k], Derivative(slow, objective, slow.layers[l][k]));
      }
    }
    for (std::size_t s = 0; s < kSamples; ++s) {
      for (std::size_t k = 0; k < shape.inputs; ++k) {
        expect_near(passage.input_slope(s)[k], Derivative(slow, objective, slow.inputs[s][k]));
      }
    }
  }

  std::vector<float> ratings_;

 private:
  CounterRandom random_{17, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

NetworkShape Shape(bool relu, double dropout) {
  return {.inputs = 11,
          .dropout = dropout,
          .layers = {{.inputs = 11, .units = 18, .relu = relu, .dropout = 1.5 * dropout},
                     {.inputs = 18, .units = 5, .relu = relu, .dropout = 0},
                     {.inputs = 5, .units = 1}}};
}

TEST_F(NetworkTest, GradientsAreNumerical) {
  const Objective identity;
  const Objective sigmoid = {.link = Objective::Link::kSigmoid, .rating_min = 1, .rating_range = 4};
  const Objective scaled = {
      .link = Objective::Link::kScaledSigmoid, .rating_min = 1, .rating_range = 4};
  Objective crossentropy = sigmoid;
  crossentropy.loss = Objective::Loss::kCrossEntropy;
  for (const Objective& objective : {identity, sigmoid, scaled, crossentropy}) {
    for (const bool relu : {false, true}) {
      for (const double dropout : {0.0, 0.25}) {
        SCOPED_TRACE(testing::Message() << "link " << static_cast<int>(objective.link) << ", loss "
                                        << static_cast<int>(objective.loss) << ", relu " << relu
                                        << ", dropout " << dropout);
        ExpectGradientIsNumerical(Shape(relu, dropout), objective);
      }
    }
  }
}

TEST_F(NetworkTest, NothingIsDroppedOutsideTraining) {
  const NetworkShape shape = Shape(true, 0.4);
  const SlowNetwork slow = Draw(shape);
  Network network(shape, BestKernels());
  Network::Passage passage(shape, Network::Passage::Use::kTraining);
  Load(slow, network, passage);
  Forward(network, 0, kSamples, passage);
  Load(slow, network, passage);
  network.Forward(kSamples, passage);
  for (std::size_t s = 0; s < kSamples; ++s) {
    EXPECT_NEAR(static_cast<double>(passage.output(s)), slow.Output(s, false), 1e-4);
  }
}

TEST_F(NetworkTest, SlopesOfInputsNeedNeitherGradientsNorDropout) {
  const NetworkShape dropping = Shape(true, 0.4);
  const NetworkShape plain = Shape(true, 0);
  const SlowNetwork slow = Draw(dropping);
  std::vector<std::vector<float>> slopes[2];
  for (const bool sums : {true, false}) {
    Network network(sums ? plain : dropping, BestKernels());
    Network::Passage passage(plain, Network::Passage::Use::kTraining);
    Load(slow, network, passage);
    network.Forward(kSamples, passage);
    for (std::size_t s = 0; s < kSamples; ++s) passage.set_slope(s, 1);
    Gradients gradients(plain);
    const GradientRun run{.last = kSamples};
    if (sums) {
      network.Backward(kSamples, std::span(&run, 1), gradients.places, passage);
    } else {
      network.Backward(kSamples, {}, {}, passage);
    }
    for (std::size_t s = 0; s < kSamples; ++s) {
      const float* const slope = passage.input_slope(s);
      slopes[sums ? 0 : 1].emplace_back(slope, slope + plain.inputs);
    }
  }
  EXPECT_EQ(slopes[0], slopes[1]);
}

// Goal: what is dropped depends on the sample's place in its partition's epoch alone. Method: the
// same samples in two blocks.
TEST_F(NetworkTest, BlocksDoNotChangeTheOutcome) {
  const NetworkShape shape = Shape(true, 0.4);
  const SlowNetwork slow = Draw(shape);
  Network network(shape, BestKernels());
  std::vector<float> gradients[2];
  for (const std::size_t cut : {std::size_t{0}, std::size_t{8}}) {
    Network::Passage passage(shape, Network::Passage::Use::kTraining);
    Load(slow, network, passage);
    Gradients layers(shape);
    for (const auto& [first, last] : {std::pair(std::size_t{0}, cut), std::pair(cut, kSamples)}) {
      for (std::size_t s = first; s < last; ++s) {
        std::copy(slow.inputs[s].begin(), slow.inputs[s].end(), passage.input(s - first));
      }
      Forward(network, first, last - first, passage);
      for (std::size_t s = 0; s < last - first; ++s) passage.set_slope(s, passage.output(s));
      const GradientRun run{.last = static_cast<std::uint32_t>(last - first), .starts = first == 0};
      network.Backward(last - first, std::span(&run, 1), layers.places, passage);
    }
    gradients[cut == 0 ? 0 : 1] = layers.rows[0];
  }
  EXPECT_EQ(gradients[0], gradients[1]);
}

TEST_F(NetworkTest, DropoutDropsItsShareAndKeepsTheMean) {
  // One layer that copies a number of ones' masks to the output: it sees which are dropped.
  constexpr double kRate = 0.3;
  const NetworkShape shape = {
      .inputs = 400, .dropout = kRate, .layers = {{.inputs = 400, .units = 1}}};
  Network network(shape, BestKernels());
  const std::vector<float> row(shape.layers[0].weights(), 1.0F);
  network.SetLayer(0, row.data());
  Network::Passage passage(shape, Network::Passage::Use::kTraining);
  double sum = 0;
  for (std::uint64_t block = 0; block < 4; ++block) {
    for (std::size_t s = 0; s < Network::kChunk; ++s) std::fill_n(passage.input(s), 400, 1.0F);
    const DropoutRun run{
        .key = kKey, .position = block * Network::kChunk, .samples = Network::kChunk};
    network.ForwardWithDropout(std::span(&run, 1), passage);
    for (std::size_t s = 0; s < Network::kChunk; ++s) {
      sum += static_cast<double>(passage.output(s)) - 1;  // The bias.
    }
  }
  // 102,400 draws of mean 1 and deviation sqrt(.3 / .7): four deviations of their mean.
  const double draws = 4 * Network::kChunk * 400;
  EXPECT_NEAR(sum / draws, 1, 4 * std::sqrt(kRate / (1 - kRate) / draws));
}

}  // namespace
}  // namespace cf::network_test
