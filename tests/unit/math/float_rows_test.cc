#include "common/math/float_rows.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::float_rows_test {
namespace {

constexpr std::size_t kSizes[] = {0, 8, 16, 64, 104, 136};
constexpr std::size_t kRowCount = 11;  // More than twice as many as are multiplied together.

class FloatRowsTest : public testing::Test {
 protected:
  double Draw() { return static_cast<double>(random_.UniformFloat(drawn_++)) - 0.5; }

  std::vector<double> Doubles(std::size_t n) {
    std::vector<double> values(n);
    for (double& value : values) value = Draw() / 3;
    return values;
  }

  /// Unaligned.
  std::vector<const float*> Rows(std::size_t n) {
    floats_.resize(kRowCount * n + 1);
    for (float& value : floats_) value = static_cast<float>(Draw());
    std::vector<const float*> rows;
    for (std::size_t r = 0; r < kRowCount; ++r) rows.push_back(floats_.data() + 1 + r * n);
    return rows;
  }

 private:
  CounterRandom random_{23, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
  std::vector<float> floats_;
};

TEST_F(FloatRowsTest, DotsAreEightChainsAndThenATree) {
  for (const std::size_t n : kSizes) {
    const std::vector<double> x = Doubles(n);
    const std::vector<const float*> rows = Rows(n);
    std::vector<double> dots(kRowCount + 1, 77);
    DotsOf(x, rows, dots);
    for (std::size_t r = 0; r < kRowCount; ++r) {
      double lanes[8] = {};
      for (std::size_t k = 0; k < n; ++k) {
        lanes[k % 8] = std::fma(x[k], static_cast<double>(rows[r][k]), lanes[k % 8]);
      }
      for (std::size_t half = 4; half > 0; half /= 2) {
        for (std::size_t k = 0; k < half; ++k) lanes[k] += lanes[k + half];
      }
      EXPECT_EQ(dots[r], lanes[0]) << n << " numbers, row " << r;
    }
    EXPECT_EQ(dots[kRowCount], 77);
  }
}

TEST_F(FloatRowsTest, RowsAreAddedInTheirOrder) {
  for (const std::size_t n : kSizes) {
    const std::vector<double> factors = Doubles(kRowCount);
    const std::vector<const float*> rows = Rows(n);
    std::vector<double> sum = Doubles(n);
    std::vector<double> expected = sum;
    AddRows(factors, rows, sum);
    for (std::size_t k = 0; k < n; ++k) {
      for (std::size_t r = 0; r < kRowCount; ++r) {
        expected[k] = std::fma(factors[r], static_cast<double>(rows[r][k]), expected[k]);
      }
    }
    EXPECT_EQ(sum, expected) << n;
  }
}

}  // namespace
}  // namespace cf::float_rows_test
