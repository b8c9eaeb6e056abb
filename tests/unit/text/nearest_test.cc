#include "common/text/nearest.h"

#include <gtest/gtest.h>

namespace cf::nearest_test {
namespace {

TEST(NearestWord, IsWhatWasMeant) {
  const std::vector<std::string> words = {"start", "status", "list", "stop"};
  EXPECT_EQ(NearestWord("statsu", words), "status");
  EXPECT_EQ(NearestWord("sotp", words), "stop");
  EXPECT_EQ(NearestWord("lst", words), "list");
  EXPECT_EQ(NearestWord("status", words), "status");
  EXPECT_EQ(NearestWord("--rating", {"--titles", "--ratings"}), "--ratings");
}

TEST(NearestWord, MayBeWhatABeginningStandsFor) {
  EXPECT_EQ(NearestWord("recom", {"predict", "recommend"}), "recommend");
  EXPECT_EQ(NearestWord("re", {"predict", "recommend"}), std::nullopt);
}

TEST(NearestWord, IsNoneWhereAllAreOthers) {
  EXPECT_EQ(NearestWord("foo", {"start", "status"}), std::nullopt);
  EXPECT_EQ(NearestWord("", {"start"}), std::nullopt);
  EXPECT_EQ(NearestWord("x", {}), std::nullopt);
  EXPECT_EQ(NearestWord(std::string(1000, 's'), {"start"}), std::nullopt);
}

}  // namespace
}  // namespace cf::nearest_test
