#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/kernels/kernels.h"

/// The arithmetic contract once more, one number at a time and as plainly as can be: what the
/// kernels are compared with, bit for bit.
namespace cf::slow {

inline float Dot(const float* a, const float* b, std::size_t n) {
  std::array<float, kLanes> lanes{};
  for (std::size_t k = 0; k < n; ++k) lanes[k % kLanes] = std::fma(a[k], b[k], lanes[k % kLanes]);
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
  }
  return lanes[0];
}

/// Adds `slope * other` to a gradient, or starts it.
inline void AddSample(float slope, const float* other, bool is_first, std::size_t n,
                      float* gradient) {
  for (std::size_t k = 0; k < n; ++k) {
    gradient[k] = std::fma(slope, other[k], is_first ? 0.0F : gradient[k]);
  }
  gradient[n] = (is_first ? 0.0F : gradient[n]) + slope;
}

inline float ObserveSample(const Objective& objective, const float* user, const float* item,
                           float rating, std::size_t n, ObjectiveSums& sums) {
  const float raw = RawSum(objective, user[n], item[n], Dot(user, item, n));
  return Observe(objective, raw, rating, sums);
}

inline void PairGradient(const PairBatch& batch, const Objective& objective, ObjectiveSums& sums) {
  const std::size_t n = batch.padded_dim;
  for (const PairSample& sample : batch.samples) {
    const float* user = batch.user_rows[sample.user];
    const float* item = batch.item_rows[sample.item];
    const float slope = ObserveSample(objective, user, item, sample.rating, n, sums);
    AddSample(slope, item, sample.user_is_first != 0, n,
              batch.user_gradients + (sample.user - batch.first_user) * batch.gradient_stride);
    AddSample(slope, user, sample.item_is_first != 0, n,
              batch.item_gradients + sample.item * batch.gradient_stride);
  }
}

/// One weight with its two numbers of optimizer state, of which an optimizer may use fewer. `g` is
/// the gradient with its L2 term, clipped.
inline void UpdateWeight(const OptimizerStep& step, float rate, float g, float& w, float& s1,
                         float& s2) {
  switch (step.kind) {
    case OptimizerStep::Kind::kAdam:
      s1 = std::fma(step.beta1, s1, step.one_minus_beta1 * g);
      s2 = std::fma(step.beta2, s2, step.one_minus_beta2 * (g * g));
      if (step.pending != nullptr) return;  // The weight follows when it is read.
      w -= (rate * s1) / (std::sqrt(s2) + step.epsilon);
      return;
    case OptimizerStep::Kind::kAdagrad:
      s1 = std::fma(g, g, s1);
      w -= (rate * g) / std::sqrt(s1 + step.epsilon);
      return;
    case OptimizerStep::Kind::kSgd:
      w = std::fma(-rate, g, w);
      return;
  }
}

constexpr std::size_t MomentsOf(OptimizerStep::Kind kind) {
  return kind == OptimizerStep::Kind::kAdam ? 2 : kind == OptimizerStep::Kind::kAdagrad ? 1 : 0;
}

inline std::uint32_t LastStep(const float* row, std::size_t n) {
  return std::bit_cast<std::uint32_t>(row[n + kLastStepFromBias]);
}

inline bool IsPending(std::uint32_t last) {
  return last != 0 && (last & PendingSteps::kNothing) == 0;
}

/// A weight when nothing is pending.
inline float MovedWeight(const OptimizerStep& step, float shift, float w, float m, float v) {
  return v == 0 ? w : w - (shift * m) / (std::sqrt(v) + step.epsilon);
}

/// The weights of a row as they are read: the padded vector and the bias.
inline std::vector<float> ReadRow(const OptimizerStep& step, const float* row) {
  const std::size_t n = step.padded_dim;
  std::vector<float> weights(row, row + n + 1);
  const std::uint32_t last = LastStep(row, n);
  if (!IsPending(last)) return weights;
  const float shift = step.pending->Of(last).shift;
  const float* moment1 = row + n + kLanes;
  for (std::size_t k = 0; k < n; ++k) {
    weights[k] = MovedWeight(step, shift, row[k], moment1[k], moment1[n + k]);
  }
  if (step.biases) {
    weights[n] = MovedWeight(step, shift * step.bias_rate, row[n], row[n + 1], row[n + 2]);
  }
  return weights;
}

inline void CatchUp(const OptimizerStep& step, float* row) {
  const std::size_t n = step.padded_dim;
  const std::vector<float> weights = ReadRow(step, row);
  std::copy(weights.begin(), weights.end(), row);
  const std::uint32_t last = LastStep(row, n);
  if (!IsPending(last)) return;
  row[n + kLastStepFromBias] = std::bit_cast<float>(step.pending->steps | PendingSteps::kNothing);
  const PendingSteps::Share share = step.pending->Of(last);
  float* moment1 = row + n + kLanes;
  for (std::size_t k = 0; k < n; ++k) {
    moment1[k] *= share.beta1;
    moment1[n + k] *= share.beta2;
  }
  if (!step.biases) return;
  row[n + 1] *= share.beta1;
  row[n + 2] *= share.beta2;
}

inline void UpdateRow(const OptimizerStep& step, float* row, const float* gradient) {
  const std::size_t n = step.padded_dim;
  if (step.pending != nullptr) {
    CatchUp(step, row);
    row[n + kLastStepFromBias] = std::bit_cast<float>(step.pending->steps + 1);
  }
  const std::size_t moments = MomentsOf(step.kind);
  float* bias = row + n;
  float* moment1 = bias + kLanes;
  float* moment2 = moment1 + n;
  std::vector<float> g(n + 1);
  for (std::size_t k = 0; k < n; ++k) g[k] = std::fma(step.l2_vector, row[k], gradient[k]);
  g[n] = step.biases ? std::fma(step.l2_bias, bias[0], gradient[n]) : 0.0F;
  if (step.clip_norm > 0) {
    const float norm = std::sqrt(std::fma(g[n], g[n], Dot(g.data(), g.data(), n)));
    for (float& element : g) element *= norm > step.clip_norm ? step.clip_norm / norm : 1.0F;
  }
  float none = 0;
  for (std::size_t k = 0; k < n; ++k) {
    UpdateWeight(step, step.learning_rate, g[k], row[k], moments > 0 ? moment1[k] : none,
                 moments > 1 ? moment2[k] : none);
  }
  if (!step.biases) return;
  UpdateWeight(step, step.bias_learning_rate, g[n], bias[0], moments > 0 ? bias[1] : none,
               moments > 1 ? bias[2] : none);
}

/// Floats as their bits, so that a comparison tells 0 from -0 and one NaN from another.
inline std::vector<std::uint32_t> BitsOf(std::span<const float> values) {
  std::vector<std::uint32_t> bits;
  bits.reserve(values.size());
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

/// The same for sums.
inline std::array<std::uint64_t, 4> BitsOf(const ObjectiveSums& sums) {
  return {std::bit_cast<std::uint64_t>(sums.loss), std::bit_cast<std::uint64_t>(sums.squared_error),
          std::bit_cast<std::uint64_t>(sums.absolute_error), sums.samples};
}

}  // namespace cf::slow
