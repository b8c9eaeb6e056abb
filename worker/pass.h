#pragma once

#include <cstdint>

#include "common/rows/turns.h"

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
  std::uint64_t batches = 0;  ///< Of all samples; the pass is those from `first`
  std::uint64_t first = 0;
  std::uint64_t last = 0;     ///< to `last` - 1.
  std::uint64_t applied = 0;  ///< Global steps before `first`.
  std::uint64_t turn = 0;     ///< Of the exchange, the first.
  std::uint64_t delay = 0;

  StepTurns turns() const { return {.steps = last - first, .delay = delay}; }
  /// The global step of batch number `batch`.
  std::uint64_t StepOf(std::uint64_t batch) const { return applied + batch - first; }
};

}  // namespace cf
