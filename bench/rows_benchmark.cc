// What a step of a factorisation does with rows, in the caches and out of them, on one thread.

#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "common/base/check.h"
#include "common/kernels/aligned.h"
#include "common/kernels/dot_bounds.h"
#include "common/math/random.h"
#include "common/model/layout.h"
#include "paramserver/arena.h"

namespace cf {
namespace {

constexpr std::uint32_t kDim = 64;
constexpr std::size_t kBatch = 4096;

/// A table with Adam's state, and the rows of random batches of it.
class Table {
 public:
  explicit Table(std::size_t rows) : rows_(rows), layout_(ShapeOf(rows)) {
    absl::StatusOr<Arena> arena = Arena::Map(rows * layout_.stride() * sizeof(float));
    Check(arena.ok(), "there is memory for the table");
    arena_ = *std::move(arena);
    for (std::size_t r = 0; r < rows; ++r) row(r)[r % kDim] = 0.1F;
  }

  const RowLayout& layout() const { return layout_; }
  float* row(std::size_t r) {
    return reinterpret_cast<float*>(arena_.data()) + r * layout_.stride();
  }
  /// Draw n.
  float* Random(std::uint64_t n) { return row(random_.Bits64(n) % rows_); }

 private:
  static TableShape ShapeOf(std::size_t rows) {
    return {.name = "rows",
            .rows = static_cast<std::uint32_t>(rows),
            .dim = kDim,
            .biases = true,
            .moments = 2};
  }

  std::size_t rows_;
  RowLayout layout_;
  Arena arena_;
  CounterRandom random_{1, Purpose::kSynth};
};

void MeasureUpdate(benchmark::State& state, const KernelSet& kernels) {
  constexpr std::size_t kBatches = 64;  // Enough that the next one is not in the caches.
  Table table(static_cast<std::size_t>(state.range(0)));
  const std::vector<float> gradient = RandomFloats(kDim + kLanes);
  std::vector<RowUpdate> updates;
  for (std::size_t k = 0; k < kBatches * kBatch; ++k) {
    updates.push_back({table.Random(k), gradient.data()});
  }
  const OptimizerStep step{.kind = OptimizerStep::Kind::kAdam,
                           .learning_rate = 1e-3F,
                           .bias_learning_rate = 1e-3F,
                           .beta1 = 0.9F,
                           .beta2 = 0.999F,
                           .one_minus_beta1 = 0.1F,
                           .one_minus_beta2 = 0.001F,
                           .epsilon = 1e-7F,
                           .l2_vector = 1e-6F,
                           .padded_dim = kDim};
  std::size_t batch = 0;
  for (auto _ : state) {
    kernels.update_rows(step, std::span(updates).subspan(batch * kBatch, kBatch), nullptr);
    batch = (batch + 1) % kBatches;
  }
  CountItems(state, kBatch);
  CountBytes(state, kBatch * 2 * table.layout().stride() * sizeof(float));
}

void MeasurePairs(benchmark::State& state, const KernelSet& kernels) {
  Table table(static_cast<std::size_t>(state.range(0)));
  const std::size_t stride = table.layout().gradient_stride();
  std::vector<float> gradients(2 * kBatch * stride);
  std::vector<const float*> user_rows;
  std::vector<const float*> item_rows;
  std::vector<PairSample> samples;
  for (std::uint32_t k = 0; k < kBatch; ++k) {
    user_rows.push_back(table.Random(2 * k));
    item_rows.push_back(table.Random(2 * k + 1));
    samples.push_back(FirstOf(k, k));
  }
  const PairBatch batch{.samples = samples,
                        .user_rows = user_rows.data(),
                        .item_rows = item_rows.data(),
                        .user_gradients = gradients.data(),
                        .item_gradients = gradients.data() + kBatch * stride,
                        .gradient_stride = stride,
                        .padded_dim = kDim};
  ObjectiveSums sums;
  for (auto _ : state) kernels.pair_gradient(batch, Objective(), sums);
  CountItems(state, kBatch);
  CountBytes(state, kBatch * 4 * (kDim + 1) * sizeof(float));
}

void MeasureDot(benchmark::State& state, const KernelSet& kernels) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> a = RandomFloats(n);
  const std::vector<float> b = RandomFloats(n);
  for (auto _ : state) benchmark::DoNotOptimize(kernels.dot(a.data(), b.data(), n));
  CountItems(state, 1);
  CountBytes(state, 2 * n * sizeof(float));
}

// All items for one user.
constexpr std::size_t kItems = 26'752;

void MeasureScores(benchmark::State& state, const KernelSet& kernels) {
  const auto n = static_cast<std::size_t>(state.range(0));
  const std::vector<float> rows = RandomFloats(kItems * n);
  const std::vector<float> user = RandomFloats(n);
  std::vector<float> scores(kItems);
  for (auto _ : state) kernels.score_rows(user.data(), rows.data(), n, kItems, n, scores.data());
  CountItems(state, kItems);
  CountBytes(state, kItems * n * sizeof(float));
}

// The same, but for bounds: of the bytes that an ItemSieve has.
void MeasureBounds(benchmark::State& state, const KernelSet& kernels) {
  const auto n = static_cast<std::size_t>(state.range(0));
  constexpr std::size_t kBlocks = kItems / kBoundRows;
  const std::vector<float> bytes = RandomFloats(kItems * n / sizeof(float) + kLanes);
  const std::vector<RowBounds> rows(kBlocks);
  const std::vector<std::int8_t> codes(n, 1);
  std::vector<std::uint16_t> masks(kBlocks);
  const BoundQuery query{.codes = codes.data(), .columns = n, .limit = 1};
  const RowsAboveKernel above = RowsAboveKernelOf(kernels);
  const auto* const first =
      reinterpret_cast<const std::uint8_t*>(bytes.data() + FloatsBeforeLine(bytes));
  for (auto _ : state) above(query, first, rows.data(), kBlocks, masks.data());
  CountItems(state, kItems);
  CountBytes(state, kItems * n + kBlocks * sizeof(RowBounds));
}

}  // namespace

void RegisterRows(const std::vector<const KernelSet*>& sets) {
  using Measure = void (*)(benchmark::State&, const KernelSet&);
  const auto add = [](const std::string& name, Measure measure, const KernelSet* kernels) {
    return benchmark::RegisterBenchmark(
        absl::StrCat(name, "/", kernels->name).c_str(),
        [measure, kernels](benchmark::State& state) { measure(state, *kernels); });
  };
  for (const KernelSet* kernels : sets) {
    add("dot", MeasureDot, kernels)->Arg(64)->Arg(256);
    add("score_rows", MeasureScores, kernels)->Arg(64);
    add("rows_above", MeasureBounds, kernels)->Arg(64);
    // Of 832 bytes a row: half a second cache, and 425 MB.
    add("pair_gradient", MeasurePairs, kernels)->Arg(512)->Arg(1 << 19);
    add("update_rows", MeasureUpdate, kernels)->Arg(512)->Arg(1 << 19);
  }
}

}  // namespace cf
