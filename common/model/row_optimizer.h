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
/// is written only in the steps that bring it a gradient, and these write its moments; what its
/// weights are then, and after the steps that bring it none, whoever reads them works out.
///
/// Owner:   whoever hosts or loads rows, one a thread.
/// Threads: one. The rule may get new plateau factors in between, for epochs that have not begun.
/// Bounds:  of dense Adam 16 bytes for each global step so far; otherwise nothing.
class RowOptimizer {
 public:
  /// The rule and the kernels are borrowed.
  RowOptimizer(const OptimizerRule* rule, const KernelSet* kernels, std::vector<TableSpec> tables);
  RowOptimizer(const RowOptimizer&) = delete;
  RowOptimizer& operator=(const RowOptimizer&) = delete;

  /// Whether weights are not what is stored: rows then have to be read through Read.
  bool moves_rows() const { return rule_->is_dense(); }

  /// Applies global step `step`, counted from 0, to rows of `table` that it has gradients for. The
  /// places of those whose gradients are refused, ascending; until the next call.
  std::span<const std::uint32_t> Update(TableId table, std::uint64_t step,
                                        std::span<const RowUpdate> updates);

  /// Brings rows that are to have a gradient in step `step` to where they are before it. Their weights
  /// are then what is stored, until the next step, and Update makes the same bits of them.
  void CatchUp(TableId table, std::uint64_t step, std::span<float* const> rows);

  /// Copies the weights of `rows` as they are after `steps` global steps: row k, the padded vector
  /// and the bias, to `to + k * stride`.
  void Read(TableId table, std::uint64_t steps, std::span<const float* const> rows, float* to,
            std::size_t stride);

 private:
  // Has rates_ and own_ go to the end of the epoch of `step`.
  void ExtendRates(std::uint64_t step);
  // Has pending_ be what weights lack that are to have had `steps` steps.
  void Advance(std::uint64_t steps);

  const OptimizerRule* rule_;
  const KernelSet* kernels_;
  std::vector<TableSpec> tables_;
  std::vector<std::uint32_t> refused_;  // Of the last Update, with room for all of its places.

  // Of dense Adam. Summed in double and rounded once: a row may be read at any step, in any process.
  double ratio_ = 0;         // r = beta1 / sqrt(beta2): what a step's shift has of the one before.
  std::uint32_t terms_ = 0;  // Missed steps that count: those with r^i >= 2^-24.
  std::uint32_t changes_ = 0;  // Of the rule, which rates_ and own_ know.
  std::uint64_t certain_ =
      0;  // How many steps have been: no change of the rule touches their rates.
  std::vector<double> rates_;   // By step, counted from 0: with the bias correction.
  std::vector<float> own_;      // Shifts by last step, counted from 1: of the step alone,
  std::vector<float> settled_;  // and of rows that have missed more than terms_ steps since.
  std::vector<float> recent_;   // Shifts by number of missed steps, up to terms_.
  std::vector<PendingSteps::Decay> low_powers_;
  std::vector<PendingSteps::Decay> high_powers_;
  PendingSteps pending_;
  std::vector<OptimizerStep> reading_;  // By table: what does not depend on the step, and pending_.
};

}  // namespace cf
