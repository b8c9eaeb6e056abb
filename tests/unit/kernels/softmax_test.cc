#include "common/kernels/softmax.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::softmax_test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

class SoftmaxTest : public ::testing::TestWithParam<KernelTarget> {
 protected:
  void SetUp() override {
    const absl::StatusOr<const KernelSet*> kernels = KernelsFor(GetParam());
    if (!kernels.ok()) GTEST_SKIP() << kernels.status();
    kernels_ = &SoftmaxKernelsOf(**kernels);
    SetFloatMode();
  }

  /// Between -range and range.
  std::vector<float> Draw(std::size_t count, float range) {
    std::vector<float> values(count);
    for (float& value : values) value = range * (2 * random_.UniformFloat(drawn_++) - 1);
    return values;
  }

  const SoftmaxKernels* kernels_ = nullptr;

 private:
  CounterRandom random_{6, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Targets, SoftmaxTest,
                         ::testing::Values(KernelTarget::kAvx2, KernelTarget::kAvx512),
                         [](const ::testing::TestParamInfo<KernelTarget>& target) {
                           return std::string(target.param == KernelTarget::kAvx2 ? "AVX2"
                                                                                  : "AVX512");
                         });

TEST_P(SoftmaxTest, ExponentialsAreWithinTwoUlp) {
  std::vector<float> logits = Draw(1 << 16, 44);  // After the shift, from -88 to 0.
  const std::vector<float> drawn = logits;
  const std::vector<float> ones(logits.size(), 1.0F);
  const SoftmaxKernels::Sum sum = kernels_->exponentiate(ones.data(), logits.size(), logits.data());
  EXPECT_EQ(sum.largest, *std::max_element(drawn.begin(), drawn.end()));
  for (std::size_t k = 0; k < logits.size(); ++k) {
    const double expected = std::exp(static_cast<double>(drawn[k] - sum.largest));
    if (expected < 0x1p-126) {
      EXPECT_EQ(logits[k], 0.0F) << drawn[k] - sum.largest;
      continue;
    }
    const double ulp = std::ldexp(1.0, std::ilogb(expected) - 23);
    EXPECT_NEAR(static_cast<double>(logits[k]), expected, 2 * ulp) << drawn[k] - sum.largest;
  }
}

// The order of the sum is a contract: lane k sums the elements k mod 16.
TEST_P(SoftmaxTest, WeightsAreCountedAndSummedInSixteenLanes) {
  for (const std::size_t n : {16U, 32U, 80U, 1008U}) {
    std::vector<float> logits = Draw(n, 5);
    const std::vector<float> drawn = logits;
    std::vector<float> counts(n);
    for (std::size_t k = 0; k < n; ++k) counts[k] = static_cast<float>(k % 7);
    std::vector<float> ones(n, 1.0F);
    std::vector<float> plain = drawn;
    kernels_->exponentiate(ones.data(), n, plain.data());
    const SoftmaxKernels::Sum sum = kernels_->exponentiate(counts.data(), n, logits.data());
    std::vector<float> lanes(kLanes, 0.0F);
    for (std::size_t k = 0; k < n; ++k) {
      EXPECT_EQ(logits[k], counts[k] * plain[k]);
      lanes[k % kLanes] += logits[k];
    }
    for (std::size_t apart = kLanes / 2; apart > 0; apart /= 2) {
      for (std::size_t k = 0; k < apart; ++k) lanes[k] += lanes[k + apart];
    }
    EXPECT_EQ(sum.sum, lanes[0]) << n;
  }
}

// Padding has a logit of -infinity, and large logits do not overflow.
TEST_P(SoftmaxTest, ExtremesKeepTheirMeaning) {
  std::vector<float> logits(16, -kInfinity);
  logits[3] = 3e38F;
  logits[4] = -3e38F;
  const std::vector<float> twos(16, 2.0F);
  const SoftmaxKernels::Sum sum = kernels_->exponentiate(twos.data(), 16, logits.data());
  EXPECT_EQ(sum.largest, 3e38F);
  EXPECT_EQ(sum.sum, 2.0F);
  for (std::size_t k = 0; k < 16; ++k) EXPECT_EQ(logits[k], k == 3 ? 2.0F : 0.0F);

  // A model that diverged shows: whatever lane the NaN is in.
  for (std::size_t k = 0; k < 48; ++k) {
    std::vector<float> bad(48, 1.0F);
    bad[k] = kNan;
    const std::vector<float> ones(48, 1.0F);
    EXPECT_TRUE(std::isnan(kernels_->exponentiate(ones.data(), 48, bad.data()).sum)) << k;
  }
}

TEST_P(SoftmaxTest, ScaleMultiplies) {
  std::vector<float> values = Draw(48, 3);
  const std::vector<float> drawn = values;
  kernels_->scale(0.3F, 48, values.data());
  for (std::size_t k = 0; k < 48; ++k) EXPECT_EQ(values[k], drawn[k] * 0.3F);
}

}  // namespace
}  // namespace cf::softmax_test
