#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <absl/status/statusor.h>

#include "common/kernels/objective.h"

namespace cf {

/// Vectors are summed in 16 virtual lanes whatever the width of the machine: lane k sums the
/// elements k mod 16 in order, then the lanes are added along one fixed tree (k with k + 8, then +
/// 4, + 2, + 1). Vectors are padded with zeros to a multiple of 16.
inline constexpr std::uint32_t kLanes = 16;
constexpr std::uint32_t PaddedDim(std::uint32_t dim) {
  return (dim + kLanes - 1) / kLanes * kLanes;
}

/// The definition of the arithmetic, kept in every snapshot: raised by any change that changes
/// bits.
inline constexpr std::uint32_t kArithmeticVersion = 1;

/// One sample of a minibatch of the dot-product model, as indices of its rows' entries in the
/// batch. The first sample of an entry starts the entry's gradient, so that gradients need not be
/// cleared.
struct PairSample {
  std::uint32_t user : 31;
  std::uint32_t user_is_first : 1;
  std::uint32_t item : 31;
  std::uint32_t item_is_first : 1;
  float rating;
};

/// The gradient of a row: `sum`, the padded vector and the bias; or, where that is null, `slope`
/// times the vector of `other`, and `slope` for the bias: a row with one sample.
struct RowGradient {
  const float* sum = nullptr;
  const float* other = nullptr;
  float slope = 0;
};

/// Samples of one partition with their rows. `user_rows[k]` points at the weights of entry k:
/// `padded_dim` floats of the vector, then the bias. Entry k's gradient, of the same form, starts
/// at `user_gradients + (k - first_user) * gradient_stride`, and at `item_gradients + k *
/// gradient_stride`.
struct PairBatch {
  std::span<const PairSample> samples;
  const float* const* user_rows = nullptr;
  const float* const* item_rows = nullptr;
  float* user_gradients = nullptr;
  float* item_gradients = nullptr;
  std::uint32_t first_user = 0;  ///< No sample has an earlier one.
  /// Where not null, by entry of the users: which of them have one sample, so that no sum is
  /// written for them, and their gradients, which are.
  const std::uint8_t* user_has_one = nullptr;
  RowGradient* one_gradients = nullptr;
  std::size_t gradient_stride = 0;
  std::size_t padded_dim = 0;
};

/// Where a row's last step is (RowLayout), in floats behind its bias.
inline constexpr std::size_t kLastStepFromBias = 3;

/// What dense Adam has still to do to rows, as tables over their last steps (docs/arithmetic.md). A
/// step that brings a row a gradient changes its moments; its weights follow when they are read,
/// together with the steps since then that brought it none.
struct PendingSteps {
  /// Powers of Adam's betas.
  struct Decay {
    double beta1 = 1;
    double beta2 = 1;
  };
  /// A row's part: its weights are w - shift m / (sqrt(v) + epsilon), its moments m and v times
  /// these.
  struct Share {
    float shift = 0;
    float beta1 = 1;
    float beta2 = 1;
  };
  static constexpr std::uint32_t kLowPowers = 256;
  /// Added to the last step of a row that has nothing pending.
  static constexpr std::uint32_t kNothing = std::uint32_t{1} << 31;

  /// Of a row with that last step, which is not 0. One of a later epoch, which only a forged file
  /// can have, counts as the epoch's last.
  Share Of(std::uint32_t last) const {
    if (last > steps) return {.shift = own[last < own_count ? last : own_count - 1]};
    const std::uint32_t missed = steps - last;
    const Decay& a = low[missed % kLowPowers];
    const Decay& b = high[missed / kLowPowers];
    return {.shift = missed < recent_count ? recent[missed] : settled[last],
            .beta1 = static_cast<float>(a.beta1 * b.beta1),
            .beta2 = static_cast<float>(a.beta2 * b.beta2)};
  }

  std::uint32_t steps = 0;  ///< How many global steps weights are to have had.
  std::uint32_t recent_count = 0;
  std::uint32_t own_count = 0;
  const float* recent = nullptr;   ///< Shifts, by the number of missed steps.
  const float* settled = nullptr;  ///< By last step: those of rows that have missed more,
  const float* own = nullptr;      ///< and those of the last step alone.
  const Decay* low = nullptr;      ///< By number of missed steps, up to kLowPowers - 1,
  const Decay* high = nullptr;     ///< and by multiples of kLowPowers.
};

/// One row to update: its weights and optimizer state (RowLayout in common/model/layout.h) and its
/// gradient.
struct RowUpdate {
  float* row = nullptr;
  RowGradient gradient;
};

/// What an optimizer does at one step; every number is already what the kernel multiplies by.
struct OptimizerStep {
  enum class Kind : std::uint8_t { kAdam, kAdagrad, kSgd };
  Kind kind = Kind::kSgd;
  float learning_rate =
      0;  ///< For Adam with the bias correction sqrt(1 - beta2^t) / (1 - beta1^t) in it.
  float bias_learning_rate = 0;  ///< The same for the bias of a row.
  float bias_rate = 1;           ///< The second over the first.
  float beta1 = 0;
  float beta2 = 0;
  float one_minus_beta1 = 0;
  float one_minus_beta2 = 0;
  float epsilon = 0;
  float l2_vector = 0;  ///< 2 * lambda of the vector: its gradient is l2_vector * w.
  float l2_bias = 0;
  float clip_norm = 0;  ///< Longest gradient of a row, with its L2 term; 0: no limit.
  /// A row's gradient, before its L2 term, with a larger sum of squares is refused, and so is one of
  /// which that is no number. The largest float where every finite sum will do.
  float squares_max = std::numeric_limits<float>::max();
  bool biases = true;  ///< Else the bias of a row stays what it is, whatever its gradient.
  std::size_t padded_dim = 0;
  /// Of dense Adam: what is pending before this step, which is done first; else null.
  const PendingSteps* pending = nullptr;
};

enum class KernelTarget : std::uint8_t { kBest, kAvx2, kAvx512 };

/// The kernels of one instruction set. Constant; any thread. No function allocates. Pointers need
/// no alignment (64 bytes is faster); `n` is a multiple of kLanes.
struct KernelSet {
  const char* name;
  KernelTarget target;  ///< Never kBest.

  /// sum(a[k] * b[k]).
  float (*dot)(const float* a, const float* b, std::size_t n);

  /// a[k] += b[k] for the n elements of the vector and the bias behind it: n + 1 floats.
  void (*add_gradient)(float* a, const float* b, std::size_t n);

  /// Adds every sample's gradient to its two entries, in the order of the samples, and its figures
  /// to `sums`.
  void (*pair_gradient)(const PairBatch& batch, const Objective& objective, ObjectiveSums& sums);

  /// The figures alone, for validation.
  void (*pair_score)(const PairBatch& batch, const Objective& objective, ObjectiveSums& sums);

  /// Updates each row once, but leaves those whose gradients are refused as they are (with dense Adam
  /// they move as without a gradient). How many these are; `refused`, unless it is null, has their
  /// places among the updates, ascending. Formulas: docs/arithmetic.md.
  /// Requires: room for as many places as there are updates.
  std::size_t (*update_rows)(const OptimizerStep& step, std::span<const RowUpdate> updates,
                             std::uint32_t* refused);

  /// Does to rows what is pending, as update_rows does first. Of `step` as read_rows.
  void (*catch_up_rows)(const OptimizerStep& step, std::span<float* const> rows);

  /// Copies the weights of row r as they are when nothing is pending to `to + r * stride`: the
  /// padded vector and the bias. Of `step` the numbers that do not depend on the step count.
  /// Requires: step.pending.
  void (*read_rows)(const OptimizerStep& step, std::span<const float* const> rows, float* to,
                    std::size_t stride);

  /// scores[r] = dot(query, rows + r * stride) for r < rows: one query against many rows.
  void (*score_rows)(const float* query, const float* rows, std::size_t stride, std::size_t n_rows,
                     std::size_t n, float* scores);
};

/// The kernels of `target`. FailedPrecondition if this machine does not have it.
absl::StatusOr<const KernelSet*> KernelsFor(KernelTarget target);

/// Sets the floating-point mode that the contract asks of every thread that computes: round to
/// nearest, denormals are zero both ways.
void SetFloatMode();

}  // namespace cf
