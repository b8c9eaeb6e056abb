// kernels_benchmark: how fast the kernels are on this machine, for each instruction set that it
// has. bench/README.md says how to build and read it.

#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "bench/benchmarks.h"
#include "common/math/random.h"

namespace cf {

std::vector<float> RandomFloats(std::size_t n) {
  const CounterRandom random(1, Purpose::kSynth);
  std::vector<float> values(n);
  for (std::size_t k = 0; k < n; ++k) values[k] = random.UniformFloat(k) - 0.5F;
  return values;
}

PairSample FirstOf(std::uint32_t user, std::uint32_t item) {
  return {.user = user & 0x7fffffffU,
          .user_is_first = 1,
          .item = item & 0x7fffffffU,
          .item_is_first = 1,
          .rating = 4};
}

void CountItems(benchmark::State& state, std::size_t items) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(items));
}

void CountBytes(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void CountFlops(benchmark::State& state, double flops) {
  state.counters["FLOPS"] =
      benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace cf

int main(int argc, char** argv) {
  std::vector<const cf::KernelSet*> sets;
  for (const cf::KernelTarget target : {cf::KernelTarget::kAvx2, cf::KernelTarget::kAvx512}) {
    const absl::StatusOr<const cf::KernelSet*> kernels = cf::KernelsFor(target);
    if (kernels.ok()) sets.push_back(*kernels);
  }
  cf::SetFloatMode();
  cf::RegisterRows(sets);
  cf::RegisterDense(sets);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
