#include "common/page/escape.h"

#include <string>

#include <gtest/gtest.h>

namespace cf::escape_test {
namespace {

const std::string kReplaced = "\xef\xbf\xbd";

TEST(EscapeMarkup, EscapesWhatMarkupIsMadeOf) {
  EXPECT_EQ(EscapeMarkup("<b a=\"1\" b='2'>&amp;"),
            "&lt;b a=&quot;1&quot; b=&#39;2&#39;&gt;&amp;amp;");
  EXPECT_EQ(EscapeMarkup(""), "");
}

TEST(EscapeMarkup, KeepsCharactersOfAnyLength) {
  const std::string text = "tab\tline\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80";
  EXPECT_EQ(EscapeMarkup(text), text);
}

TEST(EscapeMarkup, ReplacesWhatNoXmlTextMayHold) {
  EXPECT_EQ(EscapeMarkup(std::string("a\0b\x1b", 4)), "a" + kReplaced + "b" + kReplaced);
  EXPECT_EQ(EscapeMarkup("\xef\xbf\xbf"), kReplaced + kReplaced + kReplaced);  // U+FFFF
  EXPECT_EQ(EscapeMarkup("\xed\xa0\x80"), kReplaced + kReplaced + kReplaced);  // A surrogate.
  EXPECT_EQ(EscapeMarkup("\xf4\x90\x80\x80").size(), 4 * kReplaced.size());    // U+110000
}

TEST(EscapeMarkup, ReplacesBytesThatAreNotUtf8) {
  EXPECT_EQ(EscapeMarkup("caf\xe9"), "caf" + kReplaced);  // Latin-1, at the end.
  EXPECT_EQ(EscapeMarkup("\xe9t\xe9<"), kReplaced + "t" + kReplaced + "&lt;");
  EXPECT_EQ(EscapeMarkup("\xc0\xbc"), kReplaced + kReplaced);  // "<" in two bytes.
  EXPECT_EQ(EscapeMarkup("\x80\xff"), kReplaced + kReplaced);
}

}  // namespace
}  // namespace cf::escape_test
