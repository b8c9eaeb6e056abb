#include "common/page/ticks.h"

#include <cmath>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::ticks_test {
namespace {

using ::testing::ElementsAre;

TEST(LinearTicks, AreRoundNumbersInsideTheRange) {
  EXPECT_THAT(LinearTicks({0, 1}, 6), ElementsAre(0, 0.2, 0.4, 0.6, 0.8, 1));
  EXPECT_THAT(LinearTicks({0, 1}, 5), ElementsAre(0, 0.5, 1));
  EXPECT_THAT(LinearTicks({0.813, 0.942}, 7), ElementsAre(0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94));
  EXPECT_THAT(LinearTicks({-3, 4}, 4), ElementsAre(-2, 0, 2, 4));
  EXPECT_THAT(LinearTicks({1e6, 3.2e6}, 4), ElementsAre(1e6, 2e6, 3e6));
}

TEST(LinearTicks, AreWholeWhereAsked) {
  EXPECT_THAT(LinearTicks({1, 2}, 7, true), ElementsAre(1, 2));
  EXPECT_THAT(LinearTicks({1, 20}, 7, true), ElementsAre(5, 10, 15, 20));
  EXPECT_THAT(LinearTicks({0.9, 1.1}, 7, true), ElementsAre(1));
}

// Whatever the range: no more than asked for, at least two, in order, inside.
TEST(LinearTicks, HoldForAnyRange) {
  for (int exponent = -12; exponent <= 12; ++exponent) {
    for (int k = 1; k < 60; ++k) {
      const double scale = std::pow(10.0, exponent);
      const AxisRange range = {(k - 30) * 0.37 * scale, ((k - 30) * 0.37 + k * 0.173) * scale};
      const std::vector<double> ticks = LinearTicks(range, 7);
      ASSERT_LE(ticks.size(), 7U);
      ASSERT_GE(ticks.size(), 2U);
      const double slack = (range.high - range.low) * 1e-6;
      EXPECT_GE(ticks.front(), range.low - slack);
      EXPECT_LE(ticks.back(), range.high + slack);
      for (std::size_t t = 1; t < ticks.size(); ++t) EXPECT_LT(ticks[t - 1], ticks[t]);
    }
  }
}

TEST(LogTicks, ArePowersOrSimpleMultiples) {
  EXPECT_THAT(LogTicks({0.5, 12}, 7), ElementsAre(0.5, 1, 2, 5, 10));
  EXPECT_THAT(LogTicks({0.001, 1000}, 7), ElementsAre(0.001, 0.01, 0.1, 1, 10, 100, 1000));
  EXPECT_LE(LogTicks({1e-30, 1e30}, 7).size(), 7U);
  EXPECT_THAT(LogTicks({0.81, 0.93}, 4), ElementsAre(0.85, 0.9));  // No power is near.
}

// Where the logarithm is a whole number, its last bit is the library's own.
TEST(LogTicks, BeginAndEndAtPowersThatBoundTheRange) {
  for (int exponent = -15; exponent <= 15; ++exponent) {
    const double low = std::stod(absl::StrCat("1e", exponent));
    const double high = std::stod(absl::StrCat("1e", exponent + 3));
    const std::vector<double> ticks = LogTicks({low, high}, 4);
    ASSERT_EQ(ticks.size(), 4U) << low;
    EXPECT_EQ(ticks.front(), low);
    EXPECT_EQ(ticks.back(), high);
  }
}

TEST(TickTexts, HaveTheDecimalsThatTheFinestNeeds) {
  EXPECT_THAT(TickTexts({0.8, 0.85, 0.9}), ElementsAre("0.80", "0.85", "0.90"));
  EXPECT_THAT(TickTexts({0, 5, 10}), ElementsAre("0", "5", "10"));
  EXPECT_THAT(TickTexts({-0.5, 0, 0.5}), ElementsAre("-0.5", "0", "0.5"));
  EXPECT_THAT(TickTexts({0.3, 0.6}), ElementsAre("0.3", "0.6"));
}

TEST(TickTexts, ShortenLargeAndSmallNumbers) {
  EXPECT_THAT(TickTexts({0, 5e5, 1e6}), ElementsAre("0", "0.5M", "1.0M"));
  EXPECT_THAT(TickTexts({2e5, 4e5}), ElementsAre("200k", "400k"));
  EXPECT_THAT(TickTexts({5000}), ElementsAre("5000"));
  EXPECT_THAT(TickTexts({1e10}), ElementsAre("10G"));
  EXPECT_THAT(TickTexts({1e20}), ElementsAre("1e+20"));
  EXPECT_THAT(TickTexts({20000.00001, 20000.00002}), ElementsAre("20000.00001", "20000.00002"));
  EXPECT_THAT(TickTexts({2e-6, 4e-6}), ElementsAre("2e-06", "4e-06"));
}

TEST(FigureText, HasSixDigits) {
  EXPECT_EQ(FigureText(0.8375), "0.8375");
  EXPECT_EQ(FigureText(1.0 / 3), "0.333333");
  EXPECT_EQ(FigureText(16), "16");
}

}  // namespace
}  // namespace cf::ticks_test
