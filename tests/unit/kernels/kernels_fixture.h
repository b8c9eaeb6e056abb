#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/kernels/kernels.h"
#include "common/math/random.h"
#include "tests/unit/kernels/slow_kernels.h"

namespace cf {

inline constexpr std::size_t kSizes[] = {0, 16, 48, 64, 512};

inline std::vector<float> Draw(std::uint64_t stream, std::size_t count, double range = 1.0) {
  std::vector<float> values(count);
  FillUniform(CounterRandom(20261121, Purpose::kSynth, stream), 0, -range, range, values);
  return values;
}

inline OptimizerStep MakeStep(OptimizerStep::Kind kind, std::size_t n) {
  return {.kind = kind,
          .learning_rate = 0.0125F,
          .bias_learning_rate = 0.0125F,
          .beta1 = 0.9F,
          .beta2 = 0.999F,
          .one_minus_beta1 = 0.1F,
          .one_minus_beta2 = 0.001F,
          .epsilon = 1e-7F,
          .l2_vector = 0.002F,
          .l2_bias = 0.004F,
          .padded_dim = n};
}

inline constexpr OptimizerStep::Kind kKinds[] = {
    OptimizerStep::Kind::kAdam, OptimizerStep::Kind::kAdagrad, OptimizerStep::Kind::kSgd};

/// Rows of one optimizer's shape with gradients for them; unaligned, and with optimizer state that
/// is not negative. The line of the bias ends in marks that nobody may touch.
struct TestRows {
  static constexpr std::size_t kRows = 11;

  TestRows(OptimizerStep::Kind kind, std::size_t n)
      : stride(n + kLanes + slow::MomentsOf(kind) * n),
        rows(Draw(40, kRows * stride + 1)),
        gradients(Draw(41, kRows * (n + 1) + 1, 0.1)) {
    for (std::size_t r = 0; r < kRows; ++r) {
      float* row = rows.data() + 1 + r * stride;
      for (std::size_t k = n + 1; k < stride; ++k) row[k] = std::abs(row[k]);
      std::fill_n(row + n + 1 + slow::MomentsOf(kind), kLanes - 1 - slow::MomentsOf(kind), 77.0F);
      updates.push_back({row, gradients.data() + 1 + r * (n + 1)});
    }
  }
  TestRows(const TestRows&) = delete;
  TestRows& operator=(const TestRows&) = delete;

  std::size_t stride;
  std::vector<float> rows;
  std::vector<float> gradients;
  std::vector<RowUpdate> updates;
};

/// Every kernel of one instruction set against the slow ones.
class KernelsTest : public ::testing::TestWithParam<KernelTarget> {
 protected:
  void SetUp() override {
    const absl::StatusOr<const KernelSet*> found = KernelsFor(GetParam());
    if (!found.ok()) GTEST_SKIP() << found.status();
    kernels_ = *found;
  }

  const KernelSet* kernels_ = nullptr;
};

inline const auto kKernelTargets = ::testing::Values(KernelTarget::kAvx2, KernelTarget::kAvx512);

inline std::string NameOfKernelTarget(const ::testing::TestParamInfo<KernelTarget>& test) {
  return test.param == KernelTarget::kAvx2 ? "AVX2" : "AVX512";
}

}  // namespace cf
