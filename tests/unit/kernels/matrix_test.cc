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

namespace cf {
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

TEST_P(MatrixTest, RowsAreSummedInOrder) {
  constexpr std::size_t kRows = 9;
  constexpr std::size_t kColumns = 48;
  const std::vector<float> rows = Draw(kRows * kColumns);
  std::vector<float> sum = Draw(kColumns);
  std::vector<float> expected = sum;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (std::size_t k = 0; k < kColumns; ++k) expected[k] += rows[r * kColumns + k];
  }
  kernels_->sum_rows(rows.data(), kColumns, kRows, kColumns, sum.data());
  EXPECT_EQ(BitsOf(sum), BitsOf(expected));
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
}  // namespace cf
