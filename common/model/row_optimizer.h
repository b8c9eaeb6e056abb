#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/model/optimizer.h"
#include "common/model/tables.h"

namespace cf {

/// Rows as an optimizer sees them: what a step makes of them, and what their weights are after a
/// number of steps. With dense Adam the second is a function of the stored row and that number: a row
/// is written only in the steps that bring it a gradient, and whoever reads it adds the steps that it
/// has missed.
///
/// Owner:   whoever hosts or loads rows, one a thread.
/// Threads: one. The rule may get new plateau factors in between, for epochs that have not begun.
/// Bounds:  of dense Adam 12 bytes for each global step so far; otherwise nothing.
class RowOptimizer {
 public:
  /// The rule and the kernels are borrowed.
  RowOptimizer(const OptimizerRule* rule, const KernelSet* kernels, std::vector<TableSpec> tables);
  RowOptimizer(const RowOptimizer&) = delete;
  RowOptimizer& operator=(const RowOptimizer&) = delete;

  /// Whether weights are not what is stored: rows then have to be read through Read.
  bool moves_rows() const { return rule_->is_dense(); }

  /// Applies global step `step`, counted from 0, to rows of `table` that it has gradients for.
  void Update(TableId table, std::uint64_t step, std::span<const RowUpdate> updates);

  /// Copies the weights of `rows` as they are after `steps` global steps: row k, the padded vector
  /// and the bias, to `to + k * stride`.
  void Read(TableId table, std::uint64_t steps, std::span<const float* const> rows, float* to,
            std::size_t stride);

 private:
  // Has missed_ be of rows that have missed the steps up to number `steps`.
  void Advance(std::uint64_t steps);

  const OptimizerRule* rule_;
  const KernelSet* kernels_;
  std::vector<TableSpec> tables_;

  // Of dense Adam. In double, rounded once: a row may be read at any step, in any process.
  double ratio_ = 0;         // r = beta1 / sqrt(beta2): what a step's shift has of the one before.
  std::uint32_t terms_ = 0;  // Missed steps that count: those with r^i >= 2^-24.
  std::vector<double> rates_;  // By step, counted from 0: with the bias correction.
  std::vector<float>
      settled_;                // Shifts by last step, counted from 1, of rows that have missed more
                               // than terms_ steps.
  std::vector<float> recent_;  // Shifts by number of missed steps, up to terms_.
  std::vector<MissedSteps::Decay> low_powers_;
  std::vector<MissedSteps::Decay> high_powers_;
  MissedSteps missed_;
};

}  // namespace cf
