// Goal: what is written is JSON, whatever the texts hold.

#include "common/text/json_writer.h"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace cf::json_writer_test {
namespace {

std::string JsonOf(std::string_view text) {
  JsonWriter json;
  json.String(text);
  return json.Take();
}

TEST(JsonWriter, SetsCommasWhereTheyBelong) {
  JsonWriter json;
  json.BeginObject();
  json.Member("a", "x,");
  json.Key("b");
  json.BeginArray();
  json.Number(1);
  json.BeginArray();
  json.EndArray();
  json.BeginObject();
  json.EndObject();
  json.Null();
  json.EndArray();
  json.Member("c", true);
  json.Member("d", std::uint64_t{18446744073709551615U});
  json.Key("e");
  json.Raw("[1]");
  json.EndObject();
  EXPECT_EQ(json.Take(),
            R"({"a":"x,","b":[1,[],{},null],"c":true,"d":18446744073709551615,"e":[1]})");
}

TEST(JsonWriter, NumbersReadBackToTheSame) {
  JsonWriter json;
  json.BeginArray();
  json.Number(0.1F);
  json.Number(0.1);
  json.Number(-1e30F);
  json.Number(std::numeric_limits<float>::quiet_NaN());
  json.Number(-std::numeric_limits<double>::infinity());
  json.Number(-5);
  json.EndArray();
  EXPECT_EQ(json.Take(), "[0.1,0.1,-1e+30,null,null,-5]");
}

TEST(JsonWriter, TextsAreEscaped) {
  EXPECT_EQ(JsonOf("a\"b\\c\n\t\x01\x7f"), R"("a\"b\\c\n\u0009\u0001\u007f")");
  EXPECT_EQ(JsonOf("caf\xc3\xa9 \xf0\x9f\x8e\xac"), "\"caf\xc3\xa9 \xf0\x9f\x8e\xac\"");
  EXPECT_EQ(JsonOf(std::string_view("\0", 1)), "\"\\u0000\"");
}

TEST(JsonWriter, BytesThatAreNoTextAreReplaced) {
  for (const char* bytes :
       {"\xff", "\xc3", "\xe2\x82", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    const std::string json = JsonOf(bytes);
    EXPECT_EQ(json.substr(0, 4), "\"\xef\xbf\xbd") << json;
  }
  EXPECT_EQ(JsonOf("a\xffz"), "\"a\xef\xbf\xbdz\"");
}

}  // namespace
}  // namespace cf::json_writer_test
