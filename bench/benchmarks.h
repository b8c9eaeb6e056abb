#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <benchmark/benchmark.h>

#include "common/kernels/kernels.h"

namespace cf {

/// The files of benchmarks: each registers its own for every instruction set of the machine. A name
/// ends in the instruction set, so that a filter such as `update_rows.*AVX2` chooses.
void RegisterRows(const std::vector<const KernelSet*>& sets);   ///< What factorisations take.
void RegisterDense(const std::vector<const KernelSet*>& sets);  ///< Layers and softmax.

/// The same floats in [-.5, .5) at every call.
std::vector<float> RandomFloats(std::size_t n);

/// A sample that is the first of its user and of its item.
PairSample FirstOf(std::uint32_t user, std::uint32_t item);

/// What one iteration does, for the rates that are printed.
void CountItems(benchmark::State& state, std::size_t items);
void CountBytes(benchmark::State& state, std::size_t bytes);
void CountFlops(benchmark::State& state, double flops);

}  // namespace cf
