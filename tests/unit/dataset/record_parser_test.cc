#include "common/dataset/record_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::record_parser_test {
namespace {

using ::testing::HasSubstr;

RecordFormat Detect(std::string_view header) {
  return DetectRecordFormat(header, true, {}).value();
}

std::string LineError(std::string_view header, std::string_view line) {
  ParsedRecord parsed;
  return std::string(ParseRecord(Detect(header), line, &parsed).message());
}

TEST(ParseRecord, ReadsNumbersAndStrings) {
  const RecordFormat format = Detect("user,item,rating,timestamp");
  ParsedRecord parsed;
  ASSERT_TRUE(ParseRecord(format, "7,\"B,00\",-2.5,2000-07-30 18:45:03", &parsed).ok());
  EXPECT_EQ(parsed.user.number, 7);
  EXPECT_FALSE(parsed.item.number.has_value());
  EXPECT_EQ(parsed.item.text, "B,00");
  EXPECT_EQ(parsed.rating, -2.5F);
  EXPECT_EQ(parsed.timestamp, 964982703);
  ASSERT_TRUE(ParseRecord(format, "007,-3,4,964982703", &parsed).ok());
  EXPECT_EQ(parsed.user.text, "007");  // A number would lose its zeros.
  EXPECT_EQ(parsed.item.number, -3);
}

TEST(ParseRecord, SaysWhichFieldIsWrong) {
  constexpr std::string_view kHeader = "user,item,rating,timestamp";
  EXPECT_EQ(LineError(kHeader, "1,2,3"), "3 fields, expected 4 separated by \",\"");
  EXPECT_EQ(LineError(kHeader, "1,2,3,4,5"), "5 fields, expected 4 separated by \",\"");
  EXPECT_EQ(LineError(kHeader, "1,2,x,4"), "the rating is \"x\", expected a number");
  EXPECT_EQ(LineError(kHeader, "1,2,,4"), "the rating is \"\", expected a number");
  EXPECT_EQ(LineError(kHeader, "1,2,nan,4"), "the rating is \"nan\", expected a number");
  EXPECT_EQ(LineError(kHeader, "1,2,1e99,4"), "the rating is \"1e99\", expected a number");
  EXPECT_EQ(LineError(kHeader, ",2,3,4"), "the user is empty");
  EXPECT_EQ(LineError(kHeader, "1,,3,4"), "the item is empty");
  EXPECT_EQ(LineError(kHeader, "1,2,3,soon"),
            "the timestamp is \"soon\", expected seconds since 1970, YYYY-MM-DD or YYYY-MM-DD "
            "HH:MM:SS; --columns without timestamp reads the rest");
  EXPECT_THAT(LineError(kHeader, "L\xE9on,2,3,4"), HasSubstr("is not UTF-8"));
  EXPECT_THAT(LineError(kHeader, "a\x01,2,3,4"), HasSubstr("control character"));
  EXPECT_EQ(LineError(kHeader, "\"1,2,3,4"), "a quoted field does not end");
}

}  // namespace
}  // namespace cf::record_parser_test
