#pragma once

#include <cstdint>

#include "common/config/job.pb.h"
#include "common/kernels/kernels.h"
#include "common/model/tables.h"

namespace cf {

/// What the configured optimizer does at each global step. Formulas, and how they compare with
/// Keras's and PyTorch's, are in docs/arithmetic.md.
///
/// Owner:   a value.
/// Threads: any; constant but for SetPlateauFactor, which is called while nobody else uses it.
class OptimizerRule {
 public:
  /// Requires: a validated optimizer with its defaults filled in.
  OptimizerRule(const Optimizer& options, std::uint64_t steps_per_epoch);

  /// What the plateau schedule multiplies the rate by from now on; 1 at first.
  void SetPlateauFactor(double factor) { plateau_factor_ = factor; }

  /// The configured rate times the schedule's factor at `step`, counted from 0, and that of the
  /// plateau.
  double LearningRate(std::uint64_t step) const;

  /// The kernel's numbers for `step` and the rows of `table`.
  OptimizerStep At(std::uint64_t step, const TableSpec& table) const;

  /// What optimizer state starts as: the accumulators of Adagrad; zeros otherwise.
  float initial_state() const { return initial_state_; }

 private:
  Optimizer options_;
  std::uint64_t steps_per_epoch_;
  float initial_state_ = 0;
  double plateau_factor_ = 1;
};

}  // namespace cf
