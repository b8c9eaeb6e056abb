#pragma once

#include <cstdint>
#include <vector>

#include "common/config/job.pb.h"
#include "common/kernels/kernels.h"
#include "common/model/tables.h"

namespace cf {

/// The learning rate that the job names, whatever its schedule makes of it.
double LearningRateOf(const Optimizer& options);

/// What the configured optimizer does at each global step. Formulas, and how they compare with
/// Keras's and PyTorch's, are in docs/arithmetic.md.
///
/// Owner:   a value.
/// Threads: any; constant but for SetPlateauFactors, which is called while nobody else uses it.
class OptimizerRule {
 public:
  /// Requires: a validated optimizer with its defaults filled in.
  OptimizerRule(const Optimizer& options, std::uint64_t steps_per_epoch);

  /// What the plateau schedule multiplies the rate by, for each epoch up to the current one; the
  /// last is that of all later ones. Empty, as at first: 1.
  void SetPlateauFactors(std::vector<double> by_epoch);
  /// How often the factors have changed.
  std::uint32_t changes() const { return changes_; }

  /// The configured rate times the schedule's factor at `step`, counted from 0, and that of the
  /// plateau.
  double LearningRate(std::uint64_t step) const;

  /// The first step of the next epoch after that of `step`, both counted from 0.
  std::uint64_t EndOfEpoch(std::uint64_t step) const {
    return (step / steps_per_epoch_ + 1) * steps_per_epoch_;
  }

  /// The rate of Adam, with the bias correction of the step in it.
  double CorrectedRate(std::uint64_t step) const;

  /// The kernel's numbers for `step` and the rows of `table`.
  OptimizerStep At(std::uint64_t step, const TableSpec& table) const;

  /// What optimizer state starts as: the accumulators of Adagrad; zeros otherwise.
  float initial_state() const { return initial_state_; }

  /// Whether rows move in steps that bring them no gradient.
  bool is_dense() const { return options_.adam().update() == Adam::DENSE; }
  const Optimizer& options() const { return options_; }

 private:
  Optimizer options_;
  std::uint64_t steps_per_epoch_;
  float initial_state_ = 0;
  std::vector<double> plateau_factors_;
  std::uint32_t changes_ = 0;
};

}  // namespace cf
