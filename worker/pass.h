#pragma once

#include <cstdint>

#include "common/rows/turns.h"
#include "worker/samples.h"

namespace cf {

/// A sequence of batches: an epoch's training samples in their order, or samples that are only
/// scored.
///
/// Owner:   a value.
/// Threads: any.
struct Pass {
  bool training = false;
  bool scores_training = false;  ///< Of a pass that does not train: which samples.
  std::uint64_t epoch = 0;
  /// Each batch is of one partition of a seat, and each partition has so many batches, ascending;
  /// 0: each batch has a share of every partition.
  std::uint64_t batches_of_partition = 0;
  std::uint64_t batches = 0;  ///< Of all samples; the pass is those from `first`
  std::uint64_t first = 0;
  std::uint64_t last = 0;     ///< to `last` - 1.
  std::uint64_t applied = 0;  ///< Global steps before `first`.
  std::uint64_t turn = 0;     ///< Of the exchange, the first.
  std::uint64_t delay = 0;

  /// Which of the `samples` samples of partition `p` of a seat's range are in batch `t`.
  SampleRange SamplesOf(std::uint64_t samples, std::uint32_t p, std::uint64_t t) const {
    if (batches_of_partition == 0) return SamplesOfBatch(samples, t, batches);
    if (t / batches_of_partition != p) return {};
    return SamplesOfBatch(samples, t % batches_of_partition, batches_of_partition);
  }

  StepTurns turns() const { return {.steps = last - first, .delay = delay}; }
  /// The global step of batch number `batch`.
  std::uint64_t StepOf(std::uint64_t batch) const { return applied + batch - first; }
};

}  // namespace cf
