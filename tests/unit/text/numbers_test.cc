#include "common/text/numbers.h"

#include <cmath>

#include <gtest/gtest.h>

namespace cf::numbers_test {
namespace {

TEST(WithThousands, SeparatesGroupsOfThree) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(20'000'263), "20,000,263");
}

TEST(InShort, KeepsThreeDigits) {
  EXPECT_EQ(InShort(0), "0");
  EXPECT_EQ(InShort(512), "512");
  EXPECT_EQ(InShort(999.7), "1.00k");
  EXPECT_EQ(InShort(9996), "10.0k");
  EXPECT_EQ(InShort(100836), "101k");
  EXPECT_EQ(InShort(2345678), "2.35M");
}

TEST(FixedText, IsOneFormForEveryFigure) {
  EXPECT_EQ(FixedText(0.83751, 4), "0.8375");
  EXPECT_EQ(FixedText(-0.00001, 4), "0.0000");
  EXPECT_EQ(FixedText(-0.5, 4), "-0.5000");
  EXPECT_EQ(FixedText(-std::nan(""), 4), "nan");
  EXPECT_EQ(FixedText(-HUGE_VAL, 4), "-inf");
  EXPECT_EQ(FixedText(3.4028234e38, 4), "3.403e+38");
  EXPECT_EQ(FixedText(983264.5, 3), "983264.500");
}

}  // namespace
}  // namespace cf::numbers_test
