// Goal: targets are cut and decoded as RFC 3986 has it, and what is none is refused.

#include "common/http/target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::target_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Target, PartsAreDecodedAfterTheyAreCut) {
  const Target target =
      ParseTarget("/v1/users/a%2Fb%20+c/similar?k=3&genre=Film-Noir+x%26").value();
  EXPECT_THAT(target.path, ElementsAre("v1", "users", "a/b +c", "similar"));
  EXPECT_THAT(target.query, ElementsAre(QueryParameter{.name = "k", .value = "3"},
                                        QueryParameter{.name = "genre", .value = "Film-Noir x&"}));
}

TEST(Target, WhatIsLeftOutIsEmpty) {
  EXPECT_THAT(ParseTarget("/").value().path, ElementsAre(""));
  EXPECT_THAT(ParseTarget("/a//b/").value().path, ElementsAre("a", "", "b", ""));
  EXPECT_THAT(ParseTarget("/a?").value().query, IsEmpty());
  EXPECT_THAT(ParseTarget("/a?&x&=1&").value().query,
              ElementsAre(QueryParameter{.name = "x", .value = ""},
                          QueryParameter{.name = "", .value = "1"}));
}

TEST(Target, WhatIsNoTargetIsRefused) {
  for (const char* text :
       {"", "a", "*", "http://localhost/", "/%", "/%4", "/%4g", "/%zz", "/%00", "/a%0Ab", "/%ff",
        "/%C0%80", "/%ED%A0%80", "/a?x=%", "/a?%0d=1", "/%C2%85", "/\x01", "/%7f"}) {
    EXPECT_EQ(ParseTarget(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  std::string deep;
  for (int k = 0; k < 40; ++k) deep += "/a";
  EXPECT_FALSE(ParseTarget(deep).ok());
  std::string wide = "/?";
  for (int k = 0; k < 80; ++k) wide += "a=1&";
  EXPECT_FALSE(ParseTarget(wide).ok());
}

TEST(Target, WhatIsEncodedIsDecoded) {
  const std::string text = "caf\xc3\xa9 & 50% / \"x\"?#~";
  EXPECT_THAT(ParseTarget("/" + PercentEncoded(text)).value().path, ElementsAre(text));
  EXPECT_EQ(ParseTarget("/?a=" + PercentEncoded(text)).value().query.at(0).value, text);
}

}  // namespace
}  // namespace cf::target_test
