#include "common/page/bar_chart.h"

#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/page/well_formed.h"

namespace cf::bar_chart_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

BarChart ChartOf(std::vector<Bar> bars) {
  return {
      .title = "Ratings <all>", .x_label = "rating", .y_label = "ratings", .bars = std::move(bars)};
}

// The heights of the bars, in their order.
std::vector<double> HeightsOf(const std::string& chart) {
  std::vector<double> heights;
  const std::string mark = "\" height=\"";
  for (std::size_t at = chart.find(mark); at != std::string::npos; at = chart.find(mark, at + 1)) {
    heights.push_back(std::stod(chart.substr(at + mark.size())));
  }
  return heights;
}

TEST(BarChart, DrawsBarsAsTallAsTheirValues) {
  const std::string chart =
      FormatBarChart(ChartOf({{"1", "1 & \"a\"", 10}, {"2", "2", 40}, {"3", "3", 0}}));
  EXPECT_THAT(ElementsOf(chart, "figcaption"), ElementsAre("Ratings <all>"));
  EXPECT_THAT(ElementsOf(chart, "title"),
              ElementsAre("Ratings <all>", "1 & \"a\": 10", "2: 40", "3: 0"));
  EXPECT_THAT(ElementsOf(chart, "desc"),
              ElementsAre("ratings by rating, 3 bars. The tallest is 2 with 40."));
  const std::vector<double> heights = HeightsOf(chart);
  ASSERT_THAT(heights, SizeIs(3));
  EXPECT_NEAR(heights[1], 4 * heights[0], 0.3);
  EXPECT_EQ(heights[2], 0);
}

TEST(BarChart, LeavesOutLabelsThatWouldNotFit) {
  std::vector<Bar> bars;
  for (int k = 0; k < 40; ++k) bars.push_back({std::to_string(1000 + k), "bar", 1.0 * k});
  const std::vector<std::string> texts = ElementsOf(FormatBarChart(ChartOf(bars)), "text");
  EXPECT_THAT(texts, Contains("1000"));
  EXPECT_THAT(texts, Not(Contains("1001")));
  EXPECT_LT(texts.size(), 25U);
}

TEST(BarChart, SaysWhereThereIsNothing) {
  EXPECT_THAT(ElementsOf(FormatBarChart(ChartOf({})), "text"), ElementsAre("no figures"));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(ElementsOf(FormatBarChart(ChartOf({{"1", "1", nan}, {"2", "2", -3}})), "text"),
              ElementsAre("no figures"));
  const std::string zeros = FormatBarChart(ChartOf({{"1", "1", 0}}));
  EXPECT_THAT(HeightsOf(zeros), ElementsAre(0));
  EXPECT_THAT(zeros, Not(HasSubstr("nan")));
}

TEST(BarChart, DrawsOnlyWhatIsFinite) {
  const double infinity = std::numeric_limits<double>::infinity();
  const std::string chart = FormatBarChart(ChartOf({{"1", "1", infinity}, {"2", "2", 5}}));
  EXPECT_THAT(HeightsOf(chart), SizeIs(1));
  EXPECT_THAT(chart, Not(HasSubstr("inf")));
}

}  // namespace
}  // namespace cf::bar_chart_test
