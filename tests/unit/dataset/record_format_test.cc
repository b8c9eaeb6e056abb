#include "common/dataset/record_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::record_format_test {
namespace {

using ::testing::HasSubstr;

RecordFormat Detect(std::string_view line, const std::string& columns = "",
                    FileFormat format = FileFormat::kAutomatic) {
  RecordOptions options = {.format = format};
  if (!columns.empty()) options.columns = ParseColumnChoice(columns).value();
  const absl::StatusOr<RecordFormat> detected = DetectRecordFormat(line, true, options);
  EXPECT_TRUE(detected.ok()) << detected.status();
  return detected.ok() ? *detected : RecordFormat();
}

std::string DetectionError(std::string_view line, const RecordOptions& options = {}) {
  return std::string(DetectRecordFormat(line, true, options).status().message());
}

TEST(DetectRecordFormat, FindsNamesInAnyOrderAndCase) {
  for (const std::string_view header :
       {"rating,User_ID,timestamp,movieId", "Rating,userId,Timestamp,ITEM_ID",
        "RATING,\"user id\",time,movie"}) {
    const RecordFormat format = Detect(header);
    EXPECT_EQ(format.rating, 0) << header;
    EXPECT_EQ(format.user, 1) << header;
    EXPECT_EQ(format.timestamp, 2) << header;
    EXPECT_EQ(format.item, 3) << header;
    EXPECT_TRUE(format.header);
  }
  EXPECT_EQ(Detect("user\titem").syntax.separator, "\t");
  EXPECT_EQ(Detect("user\titem").rating, -1);
}

TEST(DetectRecordFormat, KnowsFilesWithoutHeader) {
  const RecordFormat tabs = Detect("196\t242\t3\t881250949");
  EXPECT_FALSE(tabs.header);
  EXPECT_EQ(tabs.syntax.separator, "\t");
  EXPECT_EQ(tabs.timestamp, 3);
  const RecordFormat colons = Detect("1::1193::5::978300760");
  EXPECT_FALSE(colons.header);
  EXPECT_EQ(colons.syntax.separator, "::");
  EXPECT_EQ(colons.fields, 4);
  const RecordFormat numbered = Detect("x,7,5", "user=2,item=1,rating=3");
  EXPECT_FALSE(numbered.header);
  EXPECT_EQ(numbered.user, 1);
  EXPECT_EQ(numbered.item, 0);
}

TEST(DetectRecordFormat, TakesColumnsByName) {
  const RecordFormat format = Detect("id,who,what,liked", "user=who,item=what,rating=Liked");
  EXPECT_EQ(format.user, 1);
  EXPECT_EQ(format.item, 2);
  EXPECT_EQ(format.rating, 3);
  EXPECT_EQ(format.timestamp, -1);
}

TEST(DetectRecordFormat, SaysWhatIsMissing) {
  EXPECT_THAT(DetectionError("userId,rating"), HasSubstr("no column for the item"));
  EXPECT_THAT(DetectionError("movieId,rating"), HasSubstr("no column for the user"));
  EXPECT_THAT(DetectionError("1,2,3.5"), HasSubstr("expected a header"));
  EXPECT_FALSE(ParseColumnChoice("user=a,item=b,colour=c").ok());
  EXPECT_FALSE(ParseColumnChoice("user=a,user=b,item=c").ok());
}

RecordOptions Numbers(const std::string& columns) {
  return {.columns = ParseColumnChoice(columns).value(), .ask_for_rating = true};
}

TEST(DetectRecordFormat, NeverTakesTheFirstLineForAHeaderWhereNumbersAreGiven) {
  // A field that equals one of the numbers is data.
  const RecordFormat format = *DetectRecordFormat("b80a\tSOA\t1\nb80a\tSOB\t2\nb80b\tSOA\t5\n",
                                                  true, Numbers("user=1,item=2,rating=3"));
  EXPECT_FALSE(format.header);
  EXPECT_EQ(format.begin, 0U);
  EXPECT_EQ(format.rating, 2);
  EXPECT_FALSE(DetectRecordFormat("2::1::5\n", true, Numbers("user=2,item=1"))->header);
  EXPECT_EQ(DetectionError("alice,x\n2,y\n", Numbers("user=1,item=2")), "");
  EXPECT_FALSE(DetectRecordFormat("alice,1,2\n", true, Numbers("user=1,item=3"))->header);
}

TEST(DetectRecordFormat, RefusesAHeaderWhereNumbersAreGiven) {
  for (const auto& [text, columns, flag] :
       {std::tuple("userId,movieId,rating\n1,2,3\n", "user=1,item=2,rating=3",
                   "--columns user=userId,item=movieId,rating=rating"),
        std::tuple("userId;itemId;rating\n1;10;4,5\n", "user=1,item=2,rating=3",
                   "--columns user=userId,item=itemId,rating=rating"),
        std::tuple("who,what,liked\nann,x,3\n", "user=1,item=2,rating=3",
                   "--columns user=who,item=what,rating=liked"),
        std::tuple("who,what\n1,7\n2,8\n", "user=1,item=2", "--columns user=who,item=what"),
        std::tuple("who,what\n1,7\n", "user=1,item=2", "--columns user=who,item=what"),
        std::tuple("my user,ISBN\nann,x\n", "user=1,item=2",
                   "--columns \"user=my user,item=ISBN\"")}) {
    const std::string error = DetectionError(text, Numbers(columns));
    EXPECT_THAT(error, HasSubstr("looks like a header, and numbers in --columns mean that there is "
                                 "none"))
        << text;
    EXPECT_THAT(error, HasSubstr(flag)) << text;
  }
  EXPECT_THAT(DetectionError("userId\titemId\n1\t2\n", {.format = FileFormat::kTabs}),
              HasSubstr("is a header, and --format u.data means that there is none"));
  EXPECT_THAT(DetectionError("user,item\n1,2\n", {.time_unit = TimeUnit::kMilliseconds}),
              HasSubstr("--time-unit decides nothing"));
  EXPECT_THAT(DetectionError("1,2,3\n", Numbers("user=1,item=5")),
              "--columns item=5, there are 3 fields separated by \",\"");
  EXPECT_EQ(
      ParseColumnChoice("user=1,item=name").status().message(),
      "--columns: \"user=1,item=name\" has names and numbers, expected names of the header, or "
      "numbers for a file without one");
  EXPECT_FALSE(ParseColumnChoice("user=0,item=1").ok());
  EXPECT_FALSE(ParseColumnChoice("user=2,item=2").ok());
}

TEST(DetectRecordFormat, FindsTheSeparatorThatMakesTheColumns) {
  const auto separator = [](std::string_view text, const RecordOptions& options) {
    const absl::StatusOr<RecordFormat> format = DetectRecordFormat(text, true, options);
    return format.ok() ? format->syntax.separator : std::string(format.status().message());
  };
  EXPECT_EQ(separator("1;10;4,5\n2;11;3,5\n", Numbers("user=1,item=2,rating=3")), ";");
  EXPECT_EQ(separator("1,10,a;b\n2,11,c\n", Numbers("user=1,item=2")), ",");
  EXPECT_EQ(separator("1\t10\tx, y\n2\t11\tz\n", Numbers("user=1,item=2")), "\t");
  EXPECT_EQ(separator("0 1 3.5\n1 1 2\n", Numbers("user=1,item=2,rating=3")), kBlanks);
  EXPECT_EQ(separator("x  27  1\t4.0\tso\tfine\n", Numbers("user=1,item=2,rating=4")), kBlanks);
  EXPECT_EQ(separator("user\titem\n90  38\n", {}), kBlanks);
  EXPECT_EQ(separator("user\titem\n90 x\t38\n", {}), "\t");
  EXPECT_EQ(separator("userId;itemId;a,b,c,d\n1;2;x\n", {}), ";");
  EXPECT_EQ(separator("user,item,genres\n1,2,A|B|C|D\n", {}), ",");
  EXPECT_EQ(separator("\"user;x\",item\n", {.columns = {.user = "user;x"}}), ",");
  EXPECT_EQ(ParseSeparator("semicolon").value(), ";");
  EXPECT_EQ(ParseSeparator("^").value(), "^");
  EXPECT_FALSE(ParseSeparator("ab").ok());
  EXPECT_FALSE(ParseSeparator("5").ok());
  EXPECT_THAT(
      DetectionError("user;item;rating\n1;2;3\n", {.separator = ","}),
      HasSubstr("1 field separated by \",\"; found 3 separated by \";\": --separator \";\""));
}

TEST(DetectRecordFormat, AsksWhichColumnIsTheRating) {
  const std::string books = "User-ID,ISBN,My Rating\n1,a,4\n1,b,5\n2,a,1\n";
  EXPECT_EQ(DetectionError(books, {.ask_for_rating = true}),
            "no column is called a rating, but \"My Rating\" may be one; --columns "
            "\"user=User-ID,item=ISBN,rating=My Rating\" reads it as the rating, --columns "
            "user=User-ID,item=ISBN reads interactions");
  EXPECT_EQ(DetectRecordFormat(books, true, {.columns = {.rating = "My Rating"}})->rating, 2);
  RecordOptions chosen = Numbers("user=User-ID,item=ISBN");
  EXPECT_EQ(DetectRecordFormat(books, true, chosen)->rating, -1);
  // Also where some are empty, where a comma is the point, and where it is not even a number.
  for (const std::string text :
       {"user,item,given\n1,2,4\n1,3,\n2,2,5\n", "user;item;given\n1;2;4,5\n1;3;2\n",
        "user,item,review/score\n1,2,4 of 5\n"}) {
    EXPECT_THAT(DetectionError(text, {.ask_for_rating = true}), HasSubstr("may be one")) << text;
  }
  EXPECT_THAT(DetectionError("user,item,rating\n1,2,3\n",
                             {.columns = {.user = "user"}, .ask_for_rating = true}),
              HasSubstr("--columns names no rating, but \"rating\" may be one"));
  // What is no rating: text, counters of rows, ids, large numbers.
  for (const std::string text :
       {"user,item,note\n1,2,good\n2,3,4\n", ",user,item\n0,1,2\n1,1,3\n2,5,5\n",
        "user,item,session_id\n1,2,7\n1,3,3\n", "user,item,ts\n1,2,964982703\n2,2,964982704\n"}) {
    EXPECT_EQ(DetectionError(text, {.ask_for_rating = true}), "") << text;
  }
  EXPECT_THAT(DetectionError("user,item,a,b\n1,2,3,4\n1,3,3,3\n", {.ask_for_rating = true}),
              HasSubstr("\"a\" and \"b\" may be one"));
}

TEST(DetectRecordFormat, RefusesTwoColumnsOfOneName) {
  EXPECT_THAT(DetectionError("user,item,rating,Rating\n1,2,3,4\n"),
              HasSubstr("both \"rating\" and \"Rating\" may be the rating; --columns says which"));
  EXPECT_THAT(DetectionError("user,item,rating,rating\n1,2,3,4\n"),
              HasSubstr("rename one of them"));
}

TEST(DetectRecordFormat, SaysWhatAFileIsInstead) {
  EXPECT_THAT(DetectionError("0 5 7 9\n1 3\n2 5 6\n"), HasSubstr("one line for each user?"));
  for (const std::string text :
       {"1,5,7\n2,3\n", "1\t5\t7\t9\n2\t3\n3\t4\t5\n", "1: 5 7 9\n2: 5\n", "ann,x,y,z\nbob,x\n"}) {
    EXPECT_THAT(DetectionError(text), HasSubstr("one line for each user?")) << text;
  }
  // One short line among many is malformed, and no other kind of file.
  EXPECT_EQ(DetectionError("1\t5\t7\t9\n2\t3\n3\t4\t5\t6\n"), "");
  EXPECT_THAT(DetectionError("userId,Heat,Seven,Alien\n1,5,,3\n2,,4,\n"),
              HasSubstr("or is it a matrix of users and items?"));
  EXPECT_THAT(DetectionError("5,3,0,1,0,0,2,4,1\n4,0,0,1,1,2,0,0,3\n"),
              HasSubstr("a matrix of users and items?"));
  EXPECT_THAT(DetectionError("userId,1,2,3,4,5,6,7,8\n1,5,3,0,1,0,0,2,4\n"),
              HasSubstr("a matrix of users and items?"));
  EXPECT_THAT(DetectionError("1\t2\t3\t4\t5\n"), HasSubstr("5 columns without a header"));
}

TEST(DetectRecordFormat, AsksWhatDatesWithoutDashesAre) {
  const std::string text = "user,item,timestamp\n1,2,20090504\n1,3,20091231\n";
  EXPECT_THAT(DetectionError(text), HasSubstr("--time-unit dates"));
  EXPECT_EQ(DetectionError(text, {.time_unit = TimeUnit::kDates}), "");
  EXPECT_EQ(DetectionError(text, {.time_unit = TimeUnit::kSeconds}), "");
  EXPECT_EQ(DetectionError("user,item,timestamp\n1,2,20090504\n1,3,20091332\n"), "");
}

}  // namespace
}  // namespace cf::record_format_test
