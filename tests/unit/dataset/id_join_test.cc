#include "common/dataset/id_join.h"

#include <gtest/gtest.h>

namespace cf::id_join_test {
namespace {

std::string Near(const std::vector<std::string>& missing, const std::vector<std::string>& known) {
  return NearMiss(missing, known);
}

TEST(NearMiss, SeesOtherWaysToWriteAnId) {
  EXPECT_EQ(Near({"1.0"}, {"2", "1"}), "1.0 is not 1");
  EXPECT_EQ(Near({"9", "0007"}, {"7"}), "0007 is not 7");
  EXPECT_EQ(Near({"34545104X"}, {"034545104x"}), "34545104X is not 034545104x");
  EXPECT_EQ(Near({"tt01"}, {"TT01"}), "tt01 is not TT01");
  EXPECT_EQ(Near({"a b "}, {"a b"}), "\"a b \" is not \"a b\"");
  EXPECT_EQ(Near({"0", "5"}, {"00"}), "0 is not 00");
  EXPECT_EQ(Near({"5"}, {"6"}), "");
  EXPECT_EQ(Near({}, {}), "");
}

TEST(FindTwins, FindsIdsThatAreWrittenInTwoWays) {
  const auto twins = [](std::vector<std::string> ids) { return FindTwins(Vocabulary(ids)); };
  EXPECT_EQ(twins({"2", "1.0", "1", "x"}).count, 1U);
  EXPECT_EQ(twins({"2", "1.0", "1", "x"}).hint, "1.0 is not 1");
  EXPECT_EQ(twins({"b", "B", "07", "7", "007"}).count, 3U);
  EXPECT_EQ(twins({"a", "b"}).count, 0U);
  EXPECT_EQ(FindTwins(Vocabulary(std::vector<std::int64_t>{1, 2})).count, 0U);
}

TEST(MissingText, CountsBothSides) {
  EXPECT_EQ(MissingText({.joined = 0, .all = 7, .hint = "1.0 is not 1"}, "validation users",
                        "no training sample"),
            "7 of 7 validation users have no training sample (1.0 is not 1)");
  EXPECT_EQ(MissingText({.joined = 6, .all = 7}, "validation users", "no training sample"),
            "1 of 7 validation users has no training sample");
}

}  // namespace
}  // namespace cf::id_join_test
