#include "common/dataset/line_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
namespace {

using ::testing::HasSubstr;

LineFormat Detect(std::string_view line, const std::string& columns = "",
                  FileFormat format = FileFormat::kAutomatic) {
  ColumnChoice choice;
  if (!columns.empty()) choice = ParseColumnChoice(columns).value();
  const absl::StatusOr<LineFormat> detected =
      DetectLineFormat(line, format, choice, Encoding::kAutomatic);
  EXPECT_TRUE(detected.ok()) << detected.status();
  return detected.ok() ? *detected : LineFormat();
}

std::string DetectionError(std::string_view line) {
  return std::string(
      DetectLineFormat(line, FileFormat::kAutomatic, {}, Encoding::kAutomatic).status().message());
}

std::string LineError(std::string_view header, std::string_view line) {
  ParsedLine parsed;
  return std::string(ParseLine(Detect(header), line, &parsed).message());
}

TEST(DetectLineFormat, FindsNamesInAnyOrderAndCase) {
  for (const std::string_view header :
       {"rating,User_ID,timestamp,movieId", "Rating,userId,Timestamp,ITEM_ID",
        "RATING,\"user id\",time,movie"}) {
    const LineFormat format = Detect(header);
    EXPECT_EQ(format.rating, 0) << header;
    EXPECT_EQ(format.user, 1) << header;
    EXPECT_EQ(format.timestamp, 2) << header;
    EXPECT_EQ(format.item, 3) << header;
    EXPECT_TRUE(format.header);
  }
  EXPECT_EQ(Detect("user\titem").delimiter, "\t");
  EXPECT_EQ(Detect("user\titem").rating, -1);
}

TEST(DetectLineFormat, KnowsFilesWithoutHeader) {
  const LineFormat tabs = Detect("196\t242\t3\t881250949");
  EXPECT_FALSE(tabs.header);
  EXPECT_EQ(tabs.delimiter, "\t");
  EXPECT_EQ(tabs.timestamp, 3);
  const LineFormat colons = Detect("1::1193::5::978300760");
  EXPECT_FALSE(colons.header);
  EXPECT_EQ(colons.delimiter, "::");
  EXPECT_EQ(colons.fields, 4);
  const LineFormat numbered = Detect("x,7,5", "user=2,item=1,rating=3");
  EXPECT_FALSE(numbered.header);
  EXPECT_EQ(numbered.user, 1);
  EXPECT_EQ(numbered.item, 0);
}

TEST(DetectLineFormat, TakesColumnsByName) {
  const LineFormat format = Detect("id,who,what,liked", "user=who,item=what,rating=Liked");
  EXPECT_EQ(format.user, 1);
  EXPECT_EQ(format.item, 2);
  EXPECT_EQ(format.rating, 3);
  EXPECT_EQ(format.timestamp, -1);
}

TEST(DetectLineFormat, SaysWhatIsMissing) {
  EXPECT_THAT(DetectionError("userId,rating"), HasSubstr("no column for the item"));
  EXPECT_THAT(DetectionError("movieId,rating"), HasSubstr("no column for the user"));
  EXPECT_THAT(DetectionError("1,2,3.5"), HasSubstr("expected a header"));
  EXPECT_FALSE(ParseColumnChoice("user=a").ok());
  EXPECT_FALSE(ParseColumnChoice("user=a,item=b,colour=c").ok());
  EXPECT_FALSE(ParseColumnChoice("user=a,user=b,item=c").ok());
}

TEST(ParseLine, ReadsNumbersAndStrings) {
  const LineFormat format = Detect("user,item,rating,timestamp");
  ParsedLine parsed;
  ASSERT_TRUE(ParseLine(format, "7,\"B,00\",-2.5,2000-07-30 18:45:03", &parsed).ok());
  EXPECT_EQ(parsed.user.number, 7);
  EXPECT_FALSE(parsed.item.number.has_value());
  EXPECT_EQ(parsed.item.text, "B,00");
  EXPECT_EQ(parsed.rating, -2.5F);
  EXPECT_EQ(parsed.timestamp, 964982703);
  ASSERT_TRUE(ParseLine(format, "007,-3,4,964982703", &parsed).ok());
  EXPECT_EQ(parsed.user.text, "007");  // A number would lose its zeros.
  EXPECT_EQ(parsed.item.number, -3);
}

TEST(ParseLine, SaysWhichFieldIsWrong) {
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
            "the timestamp is \"soon\", expected seconds or YYYY-MM-DD HH:MM:SS");
  EXPECT_THAT(LineError(kHeader, "L\xE9on,2,3,4"), HasSubstr("is not UTF-8"));
  EXPECT_THAT(LineError(kHeader, "a\x01,2,3,4"), HasSubstr("control character"));
  EXPECT_EQ(LineError(kHeader, "\"1,2,3,4"), "a quoted field does not end on its line");
}

TEST(ParseTimestamp, KnowsTheCalendar) {
  EXPECT_EQ(ParseTimestamp("0"), 0);
  EXPECT_EQ(ParseTimestamp("-1"), -1);
  EXPECT_EQ(ParseTimestamp("1970-01-01 00:00:00"), 0);
  EXPECT_EQ(ParseTimestamp("1969-12-31T23:59:59"), -1);
  EXPECT_EQ(ParseTimestamp("2004-02-29 00:00:00"), 1078012800);
  EXPECT_EQ(ParseTimestamp("2005-02-29 00:00:00"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2005-13-01 00:00:00"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2005-01-01 24:00:00"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2005-01-01"), std::nullopt);
}

}  // namespace
}  // namespace cf
