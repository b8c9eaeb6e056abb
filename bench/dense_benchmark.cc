// Matrix products, networks and the softmax over a batch at the shapes of the jobs in configs/, on
// one thread, beside OpenBLAS's sgemm at the same shapes. FLOPS are two a multiply-add that the
// formula has; padding is not counted.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "bench/sgemm.h"
#include "common/kernels/matrix.h"
#include "common/kernels/network.h"
#include "common/kernels/softmax.h"
#include "worker/models/batch_softmax.h"

namespace cf {
namespace {

struct Shape {
  const char* use = "";
  std::size_t rows = 0;
  std::size_t steps = 0;
  std::size_t columns = 0;
  bool transposed = false;  // a is read by column, and c is added to.

  double flops() const { return 2.0 * static_cast<double>(rows * steps * columns); }
  std::string name() const { return absl::StrCat(use, ":", rows, "x", steps, "x", columns); }
};

/// A product with its matrices, rows padded as those of a network.
class Operands {
 public:
  explicit Operands(const Shape& shape)
      : shape_(shape),
        a_(shape.transposed ? shape.steps : shape.rows,
           shape.transposed ? shape.rows : shape.steps),
        b_(shape.steps, shape.columns),
        c_(shape.rows, shape.columns),
        start_(1, shape.columns) {
    FillRandom(a_, shape.transposed ? shape.steps : shape.rows);
    FillRandom(b_, shape.steps);
  }

  MatrixProduct product() {
    return {.a = a_.row(0),
            .a_row = shape_.transposed ? 1 : a_.stride(),
            .a_step = shape_.transposed ? a_.stride() : 1,
            .b = b_.row(0),
            .b_stride = b_.stride(),
            .c = c_.row(0),
            .c_stride = c_.stride(),
            .start = shape_.transposed ? nullptr : start_.row(0),
            .rows = shape_.rows,
            .steps = shape_.steps,
            .columns = PaddedDim(static_cast<std::uint32_t>(shape_.columns))};
  }

 private:
  static void FillRandom(PaddedMatrix& matrix, std::size_t rows) {
    for (std::size_t r = 0; r < rows; ++r) {
      const std::vector<float> values = RandomFloats(matrix.stride());
      std::ranges::copy(values, matrix.row(r));
    }
  }

  Shape shape_;
  PaddedMatrix a_;
  PaddedMatrix b_;
  PaddedMatrix c_;
  PaddedMatrix start_;
};

NetworkShape ShapeOf(std::uint32_t inputs, const std::vector<std::uint32_t>& units) {
  NetworkShape shape{.inputs = inputs, .dropout = 0, .layers = {}};
  for (const std::uint32_t of_layer : units) {
    shape.layers.push_back({.inputs = inputs, .units = of_layer, .relu = of_layer != 1});
    inputs = of_layer;
  }
  return shape;
}

/// Forwards to the outputs, backwards to the kernels and to the inputs.
std::vector<Shape> ProductsOf(const NetworkShape& network, std::size_t samples) {
  std::vector<Shape> shapes;
  for (const LayerShape& layer : network.layers) {
    shapes.push_back({"outputs", samples, layer.inputs, layer.units});
    shapes.push_back({"kernel", layer.inputs, samples, layer.units, true});
    shapes.push_back({"inputs", samples, layer.units, layer.inputs});
  }
  return shapes;
}

/// Calls `multiply` with each product in turn, and its columns without padding.
template <class Multiply>
void MeasureProducts(benchmark::State& state, const std::vector<Shape>& shapes, Multiply multiply) {
  std::vector<Operands> operands;
  double flops = 0;
  for (const Shape& shape : shapes) {
    operands.emplace_back(shape);
    flops += shape.flops();
  }
  for (auto _ : state) {
    for (std::size_t k = 0; k < shapes.size(); ++k) {
      multiply(operands[k].product(), shapes[k].columns);
    }
    benchmark::ClobberMemory();
  }
  CountFlops(state, flops);
}

void RegisterProducts(const std::string& name, const std::vector<Shape>& shapes,
                      const std::vector<const KernelSet*>& sets,
                      const std::optional<Sgemm>& sgemm) {
  for (const KernelSet* kernels : sets) {
    benchmark::RegisterBenchmark(
        absl::StrCat("product/", name, "/", kernels->name).c_str(),
        [shapes, product = MatrixKernelsOf(*kernels).product](benchmark::State& state) {
          MeasureProducts(state, shapes,
                          [product](const MatrixProduct& padded, std::size_t) { product(padded); });
        });
  }
  if (!sgemm.has_value()) return;
  benchmark::RegisterBenchmark(
      absl::StrCat("product/", name, "/sgemm").c_str(), [shapes, sgemm](benchmark::State& state) {
        MeasureProducts(state, shapes, [&](MatrixProduct product, std::size_t columns) {
          product.columns = columns;  // It needs no padding.
          sgemm->Multiply(product);
        });
      });
}

/// One block of samples forwards and backwards.
void MeasureNetwork(benchmark::State& state, const NetworkShape& shape, const KernelSet& kernels) {
  Network network(shape, kernels);
  for (std::size_t l = 0; l < shape.layers.size(); ++l) {
    network.SetLayer(l, RandomFloats(shape.layers[l].weights()).data());
  }
  Network::Passage passage(shape, Network::Passage::Use::kTraining);
  for (std::size_t s = 0; s < Network::kBlock; ++s) {
    std::ranges::copy(RandomFloats(shape.inputs), passage.input(s));
  }
  std::vector<std::vector<float>> gradients;
  std::vector<LayerGradient> places;
  for (const LayerShape& layer : shape.layers) {
    gradients.emplace_back(layer.weights());
    places.push_back({.row = gradients.back().data(), .stride = 0});
  }
  const DropoutRun dropout{.samples = Network::kBlock};
  const GradientRun run{.last = Network::kBlock};
  for (auto _ : state) {
    network.ForwardWithDropout(std::span(&dropout, 1), passage);
    for (std::size_t s = 0; s < Network::kBlock; ++s) passage.set_slope(s, passage.output(s));
    network.Backward(Network::kBlock, std::span(&run, 1), places, passage);
    benchmark::ClobberMemory();
  }
  double flops = 0;
  for (const Shape& each : ProductsOf(shape, Network::kBlock)) flops += each.flops();
  CountFlops(state, flops);
  CountItems(state, Network::kBlock);
}

/// The gradient of one partition's samples of a batch.
void MeasureSoftmax(benchmark::State& state, const KernelSet& kernels) {
  constexpr std::size_t kCandidates = 1424;
  constexpr std::size_t kSamples = 512;
  constexpr std::uint32_t kDim = 32;
  constexpr std::size_t kStride = kDim + kLanes;
  const std::vector<float> vectors = RandomFloats((kCandidates + kSamples) * kStride);
  std::vector<float> gradients((kCandidates + kSamples) * kStride);
  std::vector<const float*> rows;
  for (std::size_t r = 0; r < kCandidates + kSamples; ++r) {
    rows.push_back(vectors.data() + r * kStride);
  }
  Candidates candidates;
  for (std::uint32_t r = 0; r < kCandidates; ++r) {
    candidates.items.push_back(RowId{r});
    candidates.counts.push_back(6);
  }
  std::vector<PairSample> samples;
  for (std::uint32_t s = 0; s < kSamples; ++s) {
    samples.push_back(FirstOf(s, s));
  }
  BatchSoftmax softmax({.dim = kDim}, {}, kernels);
  softmax.SetCandidates(candidates, rows.data());
  ObjectiveSums sums;
  for (auto _ : state) {
    softmax.Gradient({.samples = samples,
                      .first_item = 0,
                      .user_rows = rows.data() + kCandidates,
                      .user_gradients = gradients.data() + kCandidates * kStride,
                      .item_gradients = gradients.data(),
                      .gradient_stride = kStride},
                     sums);
  }
  CountFlops(state, 3 * 2.0 * kDim * kCandidates * kSamples);
  CountItems(state, kSamples);
}

void MeasureExponentiate(benchmark::State& state, const KernelSet& kernels) {
  const SoftmaxKernels& softmax = SoftmaxKernelsOf(kernels);
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> counts(n, 1.0F);
  std::vector<float> logits = RandomFloats(n);
  for (auto _ : state)
    benchmark::DoNotOptimize(softmax.exponentiate(counts.data(), n, logits.data()));
  CountItems(state, n);
  CountBytes(state, n * 3 * sizeof(float));
}

}  // namespace

void RegisterDense(const std::vector<const KernelSet*>& sets) {
  const std::optional<Sgemm> sgemm = Sgemm::Find();
  struct Layers {
    const char* name;
    NetworkShape network;
    std::size_t samples;  // Of a partition in a batch.
    std::size_t batch;
  };
  const Layers models[] = {{"ranking_256_64", ShapeOf(64, {256, 64, 1}), Network::kBlock, 8192},
                           {"mlp_128_32", ShapeOf(10, {128, 32, 1}), 2, 32}};
  for (const Layers& model : models) {
    for (const Shape& shape : ProductsOf(model.network, model.samples)) {
      RegisterProducts(absl::StrCat(model.name, "/", shape.name()), {shape}, sets, sgemm);
    }
    for (const std::size_t samples : {model.samples, model.batch}) {
      RegisterProducts(absl::StrCat(model.name, "/all_of_", samples),
                       ProductsOf(model.network, samples), sets, sgemm);
    }
    for (const KernelSet* kernels : sets) {
      benchmark::RegisterBenchmark(absl::StrCat("network/", model.name, "/", kernels->name).c_str(),
                                   [model, kernels](benchmark::State& state) {
                                     MeasureNetwork(state, model.network, *kernels);
                                   });
    }
  }
  for (const Shape& shape : {Shape{"logits", 64, 32, 1424}, Shape{"users", 64, 1424, 32},
                             Shape{"items", 1424, 64, 32, true}}) {
    RegisterProducts(absl::StrCat("retrieval_two_tower/", shape.name()), {shape}, sets, sgemm);
  }
  for (const KernelSet* kernels : sets) {
    benchmark::RegisterBenchmark(
        absl::StrCat("softmax/retrieval_two_tower/", kernels->name).c_str(),
        [kernels](benchmark::State& state) { MeasureSoftmax(state, *kernels); });
    benchmark::RegisterBenchmark(
        absl::StrCat("exponentiate/", kernels->name).c_str(),
        [kernels](benchmark::State& state) { MeasureExponentiate(state, *kernels); })
        ->Arg(1424);
  }
}

}  // namespace cf
