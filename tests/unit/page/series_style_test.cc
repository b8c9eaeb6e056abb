#include "common/page/series_style.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace cf::series_style_test {
namespace {

TEST(SeriesStyle, EachLooksDifferent) {
  std::set<std::string> looks;
  for (std::size_t style = 0; style < kSeriesStyles; ++style) {
    looks.insert(SeriesClass(style) + SeriesDash(style));
  }
  EXPECT_EQ(looks.size(), kSeriesStyles);
  EXPECT_EQ(SeriesDash(0), "") << "the first ones are plain lines";
  EXPECT_EQ(SeriesKey(kSeriesStyles), SeriesKey(0)) << "past the last it begins again";
  EXPECT_NE(SeriesKey(0), MutedKey());
}

}  // namespace
}  // namespace cf::series_style_test
