#include "common/dataset/timestamp.h"

#include <gtest/gtest.h>

namespace cf::timestamp_test {
namespace {

TEST(ParseTimestamp, KnowsTheCalendar) {
  EXPECT_EQ(ParseTimestamp("0"), 0);
  EXPECT_EQ(ParseTimestamp("-1"), -1);
  EXPECT_EQ(ParseTimestamp("1970-01-01 00:00:00"), 0);
  EXPECT_EQ(ParseTimestamp("1969-12-31T23:59:59"), -1);
  EXPECT_EQ(ParseTimestamp("2004-02-29 00:00:00"), 1078012800);
  EXPECT_EQ(ParseTimestamp("2005-02-29 00:00:00"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2005-13-01 00:00:00"), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2005-01-01 24:00:00"), std::nullopt);
}

TEST(ParseTimestamp, KnowsTheFormsThatPeopleHave) {
  constexpr std::int64_t kDay = 1078012800;  // 2004-02-29.
  EXPECT_EQ(ParseTimestamp("2004-02-29"), kDay);
  EXPECT_EQ(ParseTimestamp("2004/02/29"), kDay);
  EXPECT_EQ(ParseTimestamp("2004-02-29 23:55"), kDay + 86'100);
  EXPECT_EQ(ParseTimestamp("2004-02-29T23:55:27Z"), kDay + 86'127);
  EXPECT_EQ(ParseTimestamp("2004-02-29T23:55:27.999"), kDay + 86'127);
  EXPECT_EQ(ParseTimestamp("2004-02-29T23:55:27.123456+00:00"), kDay + 86'127);
  EXPECT_EQ(ParseTimestamp("2004-02-29 01:00:00+02:00"), kDay - 3600);
  EXPECT_EQ(ParseTimestamp("2004-02-29 01:00:00 -0130"), kDay + 9000);
  EXPECT_EQ(ParseTimestamp("1112486027.0"), 1112486027);
  EXPECT_EQ(ParseTimestamp("1112486027.9"), 1112486027);
  EXPECT_EQ(ParseTimestamp("-3.5"), -4);
  EXPECT_EQ(ParseTimestamp("1.112486027e9"), 1112486027);
  for (const char* const wrong :
       {"", "2004-02", "2004-2-9", "29/02/2004", "09 13, 2009", "2004-02/29", "2004-02-29 1:00",
        "2004-02-29 01:00:00+2", "2004-02-29 01:00:00 EST", "2004-02-29T", "1e400", "inf", "0x10",
        "1.2.3"}) {
    EXPECT_EQ(ParseTimestamp(wrong), std::nullopt) << wrong;
  }
}

TEST(ParseTimestamp, ReadsOtherUnits) {
  EXPECT_EQ(ParseTimestamp("1588687728923", TimeUnit::kMilliseconds), 1588687728);
  EXPECT_EQ(ParseTimestamp("-1", TimeUnit::kMilliseconds), -1);
  EXPECT_EQ(ParseTimestamp("1588687728923000", TimeUnit::kMicroseconds), 1588687728);
  EXPECT_EQ(ParseTimestamp("1588687728923000000", TimeUnit::kNanoseconds), 1588687728);
  EXPECT_EQ(ParseTimestamp("20040229", TimeUnit::kDates), 1078012800);
  EXPECT_EQ(ParseTimestamp("20050229", TimeUnit::kDates), std::nullopt);
  EXPECT_EQ(ParseTimestamp("2004-02-29", TimeUnit::kMilliseconds), 1078012800);
}

TEST(FormatTimestamp, IsReadBack) {
  for (const std::int64_t seconds :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{964982703}, kTimestampMin, kTimestampMax}) {
    EXPECT_EQ(ParseTimestamp(FormatTimestamp(seconds)), seconds);
  }
  EXPECT_EQ(FormatTimestamp(964982703), "2000-07-30 18:45:03");
}

}  // namespace
}  // namespace cf::timestamp_test
