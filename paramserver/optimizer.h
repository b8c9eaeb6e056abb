#pragma once

#include <cstdint>

#include "common/config/job.pb.h"
#include "common/kernels/kernels.h"
#include "common/rows/tables.h"

namespace cf {

/// What the configured optimizer does at each global step. Formulas, and how they compare with
/// Keras's and PyTorch's, are in docs/arithmetic.md.
///
/// Owner: a value. Threads: any; constant.
class OptimizerRule {
 public:
  /// Requires: a validated optimizer with its defaults filled in.
  OptimizerRule(const Optimizer& options, std::uint64_t steps_per_epoch);

  /// The configured rate times the schedule's factor at `step`, counted from 0.
  double LearningRate(std::uint64_t step) const;

  /// The kernel's numbers for `step` and the rows of `table`.
  OptimizerStep At(std::uint64_t step, const TableSpec& table) const;

  /// What optimizer state starts as: the accumulators of Adagrad; zeros otherwise.
  float initial_state() const { return initial_state_; }

 private:
  Optimizer options_;
  std::uint64_t steps_per_epoch_;
  float initial_state_ = 0;
};

}  // namespace cf
