#include "common/text/fold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::fold_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FoldedWords, AreInLowerCaseWithoutSigns) {
  EXPECT_THAT(FoldedWords("Toy Story (1995)"), ElementsAre("toy", "story", "1995"));
  EXPECT_THAT(FoldedWords("  M*A*S*H--2 "), ElementsAre("m", "a", "s", "h", "2"));
  EXPECT_THAT(FoldedWords("Schindler's List"), ElementsAre("schindlers", "list"));
  EXPECT_THAT(FoldedWords("Schindler\xe2\x80\x99s"), ElementsAre("schindlers"));
  EXPECT_THAT(FoldedWords(" ?! "), IsEmpty());
  EXPECT_THAT(FoldedWords(""), IsEmpty());
}

TEST(FoldedWords, LetAccentsGo) {
  EXPECT_THAT(FoldedWords("Am\xc3\xa9lie \xc3\x80 \xc3\x9f \xc3\x97 \xc3\xbf"),
              ElementsAre("amelie", "a", "s", "y"));
  // An accent that stands behind its letter is the same.
  EXPECT_THAT(FoldedWords("Ame\xcc\x81lie"), ElementsAre("amelie"));
  EXPECT_THAT(FoldedWords("\xc5\xbb\xc3\xb3\xc5\x82w \xc4\x8c\xc5\xa1"), ElementsAre("zolw", "cs"));
}

TEST(FoldedWords, KeepOtherScripts) {
  // Greek and Cyrillic have capitals, Japanese has none.
  EXPECT_EQ(FoldedWords("\xce\x91\xce\xa9"), FoldedWords("\xce\xb1\xcf\x89"));
  EXPECT_EQ(FoldedWords("\xd0\x90\xd0\xaf\xd0\x81"), FoldedWords("\xd0\xb0\xd1\x8f\xd1\x91"));
  EXPECT_THAT(FoldedWords("\xe4\xb8\x83\xe4\xba\xba\xe3\x80\x8c\xe4\xbe\x8d"),
              ElementsAre("\xe4\xb8\x83\xe4\xba\xba", "\xe4\xbe\x8d"));
  EXPECT_THAT(FoldedWords("\xf0\x9f\x8e\xac x"), ElementsAre("\xf0\x9f\x8e\xac", "x"));
}

TEST(FoldedWords, TakeBytesThatAreNoUtf8) {
  EXPECT_THAT(FoldedWords("caf\xe9"), ElementsAre(testing::StartsWith("caf")));
  EXPECT_THAT(FoldedWords("a \xf0"), testing::SizeIs(testing::Ge(1)));
}

TEST(EditDistance, CountsChanges) {
  EXPECT_EQ(EditDistance("toystory", "toystory", 2), 0);
  EXPECT_EQ(EditDistance("toystroy", "toystory", 2), 1);  // Swapped.
  EXPECT_EQ(EditDistance("toystor", "toystory", 2), 1);
  EXPECT_EQ(EditDistance("toistory", "toystory", 2), 1);
  EXPECT_EQ(EditDistance("xtoistory", "toystory", 2), 2);
  EXPECT_EQ(EditDistance("", "ab", 2), 2);
  EXPECT_GT(EditDistance("", "abc", 2), 2);
  EXPECT_GT(EditDistance("abcdef", "ghijkl", 3), 3);
  EXPECT_EQ(EditDistance("abcdef", "ghijkl", 6), 6);
}

}  // namespace
}  // namespace cf::fold_test
