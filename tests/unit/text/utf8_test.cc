// Goal: characters are told from bytes that are none, and names from what is none.

#include "common/text/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace cf::utf8_test {
namespace {

TEST(Utf8, CharactersHaveTheirBytes) {
  EXPECT_EQ(BytesOfCharacter("ab"), 1U);
  EXPECT_EQ(BytesOfCharacter("\xc3\xa9x"), 2U);
  EXPECT_EQ(BytesOfCharacter("\xe2\x82\xac"), 3U);
  EXPECT_EQ(BytesOfCharacter("\xf4\x8f\xbf\xbf"), 4U);
}

TEST(Utf8, WhatIsNoCharacterHasNone) {
  for (const char* bytes : {"", "\x80", "\xc3", "\xc3(", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
                            "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff"}) {
    EXPECT_EQ(BytesOfCharacter(bytes), 0U);
  }
}

TEST(Utf8, PlainTextHasNoControlCharacters) {
  EXPECT_TRUE(IsPlainText(""));
  EXPECT_TRUE(IsPlainText("caf\xc3\xa9 \xc2\xa0 \xf0\x9f\x8e\xac"));
  for (const std::string& text : {std::string("a\n"), std::string(1, '\0'), std::string("\x7f"),
                                  std::string("\xc2\x85"), std::string("a\xff")}) {
    EXPECT_FALSE(IsPlainText(text));
  }
}

}  // namespace
}  // namespace cf::utf8_test
