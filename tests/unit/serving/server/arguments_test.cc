// Goal: what a request says is taken as it is meant, or refused with a reason.

#include "serving/server/arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::arguments_test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string Reason(const Arguments& arguments) {
  return std::string(arguments.Finish().message());
}

TEST(Arguments, AreTakenFromQueriesAndBodiesAlike) {
  Arguments query =
      Arguments::OfQuery(ParseTarget("/?k=3&genre=a&genre=b&mask=none").value().query);
  Arguments body = Arguments::OfBody(R"({"k":3,"genre":["a","b"],"mask":"none"})").value();
  for (Arguments* arguments : {&query, &body}) {
    EXPECT_EQ(arguments->Count("k", 10, 100), 3U);
    EXPECT_THAT(arguments->Texts("genre"), ElementsAre("a", "b"));
    EXPECT_EQ(TakeMask(*arguments), Mask::kNone);
    EXPECT_EQ(arguments->Word("fallback", {"popular"}), std::nullopt);
    EXPECT_TRUE(arguments->Finish().ok());
  }
}

TEST(Arguments, CountsAreWholeNumbersWithinTheirBounds) {
  for (const char* text :
       {"0", "-1", "101", "1.5", "1e1", "x", "", "99999999999999999999", "+1", " 1"}) {
    Arguments arguments = Arguments::OfQuery(std::vector<QueryParameter>{{"k", text}});
    arguments.Count("k", 10, 100);
    EXPECT_THAT(Reason(arguments), HasSubstr("'k'")) << text;
  }
}

TEST(Arguments, SharesAreFromZeroToOne) {
  for (const auto& [text, share] :
       {std::pair("0", 0.0), {"1", 1.0}, {"0.25", 0.25}, {".5", 0.5}, {"3E-1", 0.3}, {"-0", 0.0}}) {
    Arguments arguments = Arguments::OfQuery(std::vector<QueryParameter>{{"share", text}});
    EXPECT_EQ(arguments.Share("share"), share);
    EXPECT_TRUE(arguments.Finish().ok()) << text;
  }
  for (const char* text : {"-0.1", "1.01", "nan", "inf", "x", "", "0.5x", " 0.5", "1e-400"}) {
    Arguments arguments = Arguments::OfQuery(std::vector<QueryParameter>{{"share", text}});
    EXPECT_EQ(arguments.Share("share"), std::nullopt);
    EXPECT_THAT(Reason(arguments), HasSubstr("'share'")) << text;
  }
  Arguments body = Arguments::OfBody(R"({"share":0.3,"none":0})").value();
  EXPECT_EQ(body.Share("share"), 0.3);
  EXPECT_EQ(body.Count("none", 7, 5, 0), 0U);
  EXPECT_EQ(body.Share("absent"), std::nullopt);
  EXPECT_TRUE(body.Finish().ok());
}

TEST(Arguments, FloatsAreFinite) {
  EXPECT_EQ(FloatOf("4.5E0"), 4.5F);
  EXPECT_EQ(FloatOf("-2"), -2.0F);
  for (const char* text : {"", "x", "nan", "inf", "1e99", "4,5", "4.5 "}) {
    EXPECT_EQ(FloatOf(text), std::nullopt) << text;
  }
}

TEST(Arguments, WhatNobodyTakesIsRefusedByName) {
  Arguments arguments = Arguments::OfQuery(std::vector<QueryParameter>{{"top", "3"}});
  arguments.Count("k", 10, 100);
  EXPECT_EQ(Reason(arguments), "there is no 'top' here; there are: k");
}

TEST(Arguments, WhatIsGivenTwiceIsRefused) {
  Arguments arguments = Arguments::OfQuery(std::vector<QueryParameter>{{"k", "3"}, {"k", "4"}});
  arguments.Count("k", 10, 100);
  EXPECT_THAT(Reason(arguments), HasSubstr("2 times"));
}

TEST(Arguments, ObjectsOfAListHaveTheirMembersAndNoOthers) {
  Arguments sound = Arguments::OfBody(R"({"pairs":[{"user":"1","item":2}]})").value();
  EXPECT_EQ(sound.Records("pairs", {"user", "item"}).at(0).at("item"), "2");
  EXPECT_TRUE(sound.Finish().ok());
  for (const char* body : {R"({"pairs":[{"user":"1"}]})", R"({"pairs":[{"user":"1","item":""}]})",
                           R"({"pairs":["1"]})", R"({"pairs":[{"user":"1","item":"2","x":"3"}]})",
                           R"({"pairs":[{"user":"\u0000","item":"2"}]})"}) {
    Arguments arguments = Arguments::OfBody(body).value();
    arguments.Records("pairs", {"user", "item"});
    EXPECT_THAT(Reason(arguments), HasSubstr("'pairs'")) << body;
  }
}

TEST(Arguments, BodiesAreObjects) {
  for (const char* body :
       {"", "[]", "1", "{", "{\"a\":}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":[[1]]}",
        "{\"a\":[[[[[[1]]]]]]}", "{}x", "{\"a\":[{\"b\":{}}]}", "\xff", "{\"\xff\":1}"}) {
    EXPECT_EQ(Arguments::OfBody(body).status().code(), absl::StatusCode::kInvalidArgument) << body;
  }
  EXPECT_TRUE(Arguments::OfBody("{}").ok());
}

}  // namespace
}  // namespace cf::arguments_test
