// The kernels of dense layers against plain loops, to the last bit, on every instruction set that
// the machine has.

#include "common/kernels/matrix.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"
#include "tests/unit/kernels/slow_kernels.h"

namespace cf::matrix_test {
namespace {

using slow::BitsOf;

class MatrixTest : public ::testing::TestWithParam<KernelTarget> {
 protected:
  void SetUp() override {
    const absl::StatusOr<const KernelSet*> kernels = KernelsFor(GetParam());
    if (!kernels.ok()) GTEST_SKIP() << kernels.status();
    kernels_ = &MatrixKernelsOf(**kernels);
    SetFloatMode();
  }

  std::vector<float> Draw(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = random_.UniformFloat(drawn_++) - 0.5F;
    return values;
  }

  const MatrixKernels* kernels_ = nullptr;

 private:
  CounterRandom random_{5, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Targets, MatrixTest,
                         ::testing::Values(KernelTarget::kAvx2, KernelTarget::kAvx512),
                         [](const ::testing::TestParamInfo<KernelTarget>& target) {
                           return std::string(target.param == KernelTarget::kAvx2 ? "AVX2"
                                                                                  : "AVX512");
                         });

// Every number of rows that tiles are cut for, one to three registers of columns, a as it is and
// transposed, c from a row and from itself.
TEST_P(MatrixTest, ProductsAreChainsOfFusedMultiplyAdds) {
  for (std::size_t rows = 0; rows <= 19; ++rows) {
    for (const std::size_t steps : {0U, 1U, 2U, 17U}) {
      for (const std::size_t columns : {16U, 32U, 48U, 80U}) {
        for (const bool transposed : {false, true}) {
          for (const bool from_row : {false, true}) {
            const std::size_t stride = std::max(rows, steps) + 3;
            const std::vector<float> a = Draw(stride * stride);
            const std::vector<float> b = Draw((steps + 1) * (columns + 16));
            const std::vector<float> start = Draw(columns);
            std::vector<float> c = Draw((rows + 1) * (columns + 1));
            std::vector<float> expected = c;
            const std::size_t a_row = transposed ? 1 : stride;
            const std::size_t a_step = transposed ? stride : 1;
            for (std::size_t r = 0; r < rows; ++r) {
              for (std::size_t n = 0; n < columns; ++n) {
                float& sum = expected[r * (columns + 1) + n];
                if (from_row) sum = start[n];
                for (std::size_t k = 0; k < steps; ++k) {
                  sum = std::fma(a[r * a_row + k * a_step], b[k * (columns + 16) + n], sum);
                }
              }
            }
            kernels_->product({.a = a.data(),
                               .a_row = a_row,
                               .a_step = a_step,
                               .b = b.data(),
                               .b_stride = columns + 16,
                               .c = c.data(),
                               .c_stride = columns + 1,
                               .start = from_row ? start.data() : nullptr,
                               .rows = rows,
                               .steps = steps,
                               .columns = columns});
            ASSERT_EQ(BitsOf(c), BitsOf(expected)) << rows << " x " << steps << " x " << columns;
          }
        }
      }
    }
  }
}

// Every number of rows that tiles are cut for and any number of columns; runs that go on with the
// stack's top, that leave their gradient there and that add up to three levels of it.
TEST_P(MatrixTest, GradientsAreSummedAsTheRunsSay) {
  constexpr std::uint32_t kLevels = 4;
  const GradientRun runs[] = {{.first = 0, .last = 3, .starts = false, .top = 0, .merges = 0},
                              {.first = 3, .last = 4, .starts = true, .top = 1, .merges = 1},
                              {.first = 4, .last = 6, .starts = true, .top = 1, .merges = 0},
                              {.first = 6, .last = 6, .starts = true, .top = 2, .merges = 0},
                              {.first = 6, .last = 9, .starts = true, .top = 3, .merges = 2},
                              {.first = 9, .last = 12, .starts = true, .top = 2, .merges = 0}};
  constexpr std::size_t kSamples = 12;
  for (std::size_t rows = 1; rows <= 19; ++rows) {
    for (const std::size_t columns : {1U, 5U, 8U, 15U, 16U, 18U, 25U, 32U, 47U, 64U}) {
      const std::size_t b_stride = PaddedDim(static_cast<std::uint32_t>(columns));
      const std::vector<float> a = Draw(kSamples * rows);
      const std::vector<float> b = Draw(kSamples * b_stride);
      // More than the gradient: what is behind it must stay.
      const std::size_t level_stride = rows * columns + 3;
      std::vector<float> c = Draw(kLevels * level_stride);
      std::vector<float> expected = c;
      for (std::size_t r = 0; r < rows; ++r) {
        for (std::size_t n = 0; n < columns; ++n) {
          const auto at = [&](std::uint32_t level) -> float& {
            return expected[level * level_stride + r * columns + n];
          };
          for (const GradientRun& run : runs) {
            float sum = run.starts ? 0.0F : at(run.top);
            for (std::uint32_t s = run.first; s < run.last; ++s) {
              sum = std::fma(a[s * rows + r], b[s * b_stride + n], sum);
            }
            for (std::uint32_t k = 1; k <= run.merges; ++k) sum = at(run.top - k) + sum;
            at(run.top - run.merges) = sum;
          }
        }
      }
      kernels_->gradient({.a = a.data(),
                          .a_row = 1,
                          .a_step = rows,
                          .b = b.data(),
                          .b_stride = b_stride,
                          .c = c.data(),
                          .c_stride = columns,
                          .level_stride = level_stride,
                          .rows = rows,
                          .columns = columns,
                          .runs = runs});
      // Levels above the end's two are scratch.
      for (std::size_t k = 0; k < kLevels * level_stride; ++k) {
        const bool is_scratch = k / level_stride == 3 && k % level_stride < rows * columns;
        if (is_scratch) c[k] = expected[k];
      }
      ASSERT_EQ(BitsOf(c), BitsOf(expected)) << rows << " x " << columns;
    }
  }
}

TEST_P(MatrixTest, ActivationsAndTheirSlopes) {
  constexpr std::size_t kColumns = 32;
  for (const bool relu : {false, true}) {
    for (const bool masked : {false, true}) {
      std::vector<float> y = Draw(kColumns);
      y[3] = 0.0F;
      y[4] = -0.0F;
      std::vector<float> mask = Draw(kColumns);
      for (float& m : mask) m = m < 0 ? 0.0F : 2.0F;
      std::vector<float> slope = Draw(kColumns);
      std::vector<float> expected = y;
      std::vector<float> expected_slope = slope;
      for (std::size_t k = 0; k < kColumns; ++k) {
        if (relu && y[k] <= 0) expected[k] = 0;
        if (masked) expected[k] *= mask[k];
        if (masked) expected_slope[k] *= mask[k];
        if (relu && expected[k] == 0) expected_slope[k] = 0;
      }
      const float* mask_or_null = masked ? mask.data() : nullptr;
      kernels_->activate(relu, mask_or_null, kColumns, y.data());
      EXPECT_EQ(BitsOf(y), BitsOf(expected));
      kernels_->activate_backward(relu, mask_or_null, y.data(), kColumns, slope.data());
      EXPECT_EQ(BitsOf(slope), BitsOf(expected_slope));
    }
  }
}

// A training that diverges must not look well again behind a ReLU.
TEST_P(MatrixTest, NanPassesTheRelu) {
  std::vector<float> y(kLanes, std::numeric_limits<float>::quiet_NaN());
  kernels_->activate(true, nullptr, kLanes, y.data());
  for (const float value : y) EXPECT_TRUE(std::isnan(value));
}

TEST_P(MatrixTest, AddsAnyNumberOfFloatsAndNoMore) {
  for (std::size_t n = 0; n < 40; ++n) {
    std::vector<float> a = Draw(48);
    const std::vector<float> b = Draw(48);
    std::vector<float> expected = a;
    for (std::size_t k = 0; k < n; ++k) expected[k] += b[k];
    kernels_->add(a.data(), b.data(), n);
    ASSERT_EQ(BitsOf(a), BitsOf(expected)) << n;
  }
}

}  // namespace
}  // namespace cf::matrix_test
