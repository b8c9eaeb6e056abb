#include "common/dataset/record_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf {
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

}  // namespace
}  // namespace cf
