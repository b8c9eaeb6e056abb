#include "common/base/thousands.h"

#include <gtest/gtest.h>

namespace cf {
namespace {

TEST(WithThousands, SeparatesGroupsOfThree) {
  EXPECT_EQ(WithThousands(0), "0");
  EXPECT_EQ(WithThousands(999), "999");
  EXPECT_EQ(WithThousands(1000), "1,000");
  EXPECT_EQ(WithThousands(20'000'263), "20,000,263");
}

}  // namespace
}  // namespace cf
