#include "common/text/numbers.h"

#include <gtest/gtest.h>

namespace cf {
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

}  // namespace
}  // namespace cf
