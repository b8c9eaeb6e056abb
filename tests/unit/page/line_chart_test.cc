#include "common/page/line_chart.h"

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/page/well_formed.h"

namespace cf::line_chart_test {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

LineChart ChartOf(std::vector<ChartSeries> series) {
  return {.title = "Error",
          .x_label = "epoch",
          .y_label = "val_rmse",
          .x_whole = true,
          .series = std::move(series)};
}

std::size_t CountOf(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

// The lines of the plot: the d="..." of the paths that have a tooltip.
std::vector<std::string> LinesOf(const std::string& chart) {
  std::vector<std::string> lines;
  for (std::size_t at = chart.find("\"><title>"); at != std::string::npos;
       at = chart.find("\"><title>", at + 1)) {
    const std::size_t begin = chart.rfind(" d=\"", at);
    if (begin == std::string::npos || chart.find('"', begin + 4) != at) continue;
    lines.push_back(chart.substr(begin + 4, at - begin - 4));
  }
  return lines;
}

TEST(LineChart, DrawsEachSeriesWithTooltipsAndALegend) {
  const std::string chart = FormatLineChart(
      ChartOf({{.name = "a & b", .points = {{1, 0.9}, {2, 0.85}, {3, 0.86}}, .best = {{2, 0.85}}},
               {.name = "<second>", .points = {{1, 1.0}, {2, 0.95}}}}));
  EXPECT_THAT(ElementsOf(chart, "li"), ElementsAre("a & b", "<second>"));
  const std::vector<std::string> titles = ElementsOf(chart, "title");
  EXPECT_EQ(titles.front(), "Error");
  EXPECT_THAT(titles, Contains("a & b: epoch 2, val_rmse 0.85"));
  EXPECT_THAT(titles, Contains("a & b, best: epoch 2, val_rmse 0.85"));
  EXPECT_THAT(ElementsOf(chart, "desc"),
              ElementsAre("val_rmse by epoch, 2 lines. a & b ends at 0.86, best 0.85 at 2. "
                          "<second> ends at 0.95."));
  EXPECT_EQ(CountOf(chart, "class=\"best\""), 1U);
  EXPECT_EQ(CountOf(chart, "class=\"dot\""), 5U);
  EXPECT_THAT(ElementsOf(chart, "text"), Contains("0.95"));
  EXPECT_THAT(LinesOf(chart), ElementsAre(HasSubstr("M0.0 "), HasSubstr("L203.0 ")));
}

TEST(LineChart, IsTheSameBytesEachTime) {
  const LineChart chart = ChartOf({{.name = "a", .points = {{1, 0.1}, {2, 0.7}}}});
  EXPECT_EQ(FormatLineChart(chart), FormatLineChart(chart));
}

TEST(LineChart, LeavesAGapWhereAFigureIsNotFinite) {
  const std::string chart = FormatLineChart(ChartOf(
      {{.name = "a", .points = {{1, 5}, {2, 4}, {3, kNan}, {4, kInfinity}, {5, 3}, {6, 2}}}}));
  ASSERT_EQ(LinesOf(chart).size(), 1U);
  EXPECT_EQ(CountOf(LinesOf(chart)[0], "M"), 2U);
  EXPECT_EQ(CountOf(LinesOf(chart)[0], "L"), 2U);
  EXPECT_THAT(chart, Not(HasSubstr("nan")));
  EXPECT_THAT(chart, Not(HasSubstr("inf")));
  ElementsOf(chart, "svg");
}

TEST(LineChart, ShowsASinglePoint) {
  const std::string chart = FormatLineChart(ChartOf({{.name = "a", .points = {{1, 0.9}}}}));
  EXPECT_EQ(CountOf(chart, "class=\"dot\""), 1U);
  EXPECT_THAT(ElementsOf(chart, "text"), Contains("0.90"));
  EXPECT_THAT(chart, Not(HasSubstr("nan")));
}

TEST(LineChart, ShowsConstantsAndZeros) {
  for (const double value : {0.0, 1e-9, -5.0, 1e12}) {
    const std::string chart =
        FormatLineChart(ChartOf({{.name = "a", .points = {{1, value}, {2, value}}}}));
    EXPECT_GE(ElementsOf(chart, "text").size(), 6U);
    EXPECT_THAT(chart, Not(HasSubstr("nan")));
  }
}

TEST(LineChart, SaysWhenThereIsNothingToShow) {
  EXPECT_THAT(ElementsOf(FormatLineChart(ChartOf({})), "text"), ElementsAre("no figures"));
  const std::string chart =
      FormatLineChart(ChartOf({{.name = "a"}, {.name = "b", .points = {{1, kNan}}}}));
  EXPECT_THAT(ElementsOf(chart, "text"), ElementsAre("no figures"));
  EXPECT_THAT(ElementsOf(chart, "desc"), ElementsAre("No figures of val_rmse."));
}

TEST(LineChart, NamesTheEmptySeriesAmongOthers) {
  const std::string chart =
      FormatLineChart(ChartOf({{.name = "a"}, {.name = "b", .points = {{1, 2}, {2, 3}}}}));
  EXPECT_THAT(ElementsOf(chart, "li"), ElementsAre("a (no figures)", "b"));
}

// A series keeps its colour in a chart where those before it have no figures.
TEST(LineChart, StylesGoByOrder) {
  const std::string chart =
      FormatLineChart(ChartOf({{.name = "a"}, {.name = "b", .points = {{1, 2}, {2, 3}}}}));
  EXPECT_THAT(chart, HasSubstr("<g class=\"s1\"><path d="));
}

TEST(LineChart, AHundredSeriesStayReadable) {
  std::vector<ChartSeries> series;
  for (int k = 0; k < 100; ++k) {
    series.push_back({.name = absl::StrCat("run", k),
                      .points = {{1, 1.0 + k * 0.01}, {2, 0.9 + k * 0.01}},
                      .muted = k >= 8});
  }
  series[99].points[1].y = 1e9;  // Diverged: must not flatten the others.
  const std::string chart = FormatLineChart(ChartOf(series));
  EXPECT_EQ(ElementsOf(chart, "li").size(), 9U);
  EXPECT_EQ(ElementsOf(chart, "li").back(), "92 others");
  EXPECT_EQ(LinesOf(chart).size(), 100U);
  EXPECT_THAT(ElementsOf(chart, "text"), Contains("0.95"));
  // The muted ones are drawn first, so that they are behind.
  EXPECT_LT(chart.rfind("class=\"muted\"><path"), chart.find("class=\"s0\"><path"));
}

TEST(LineChart, LogarithmicScale) {
  LineChart chart = ChartOf({{.name = "a", .points = {{1, 1000}, {2, 1}, {3, 0}, {4, 0.001}}}});
  chart.y_scale = YScale::kLog;
  const std::string text = FormatLineChart(chart);
  EXPECT_THAT(ElementsOf(text, "text"), Contains("0.001"));
  EXPECT_THAT(ElementsOf(text, "text"), Contains("val_rmse, logarithmic"));
  EXPECT_EQ(CountOf(LinesOf(text)[0], "M"), 2U) << "zero is a gap";
}

TEST(LineChart, AutomaticScaleIsLogarithmicForWideRangesAboveZero) {
  const auto is_logarithmic = [](std::vector<ChartPoint> points) {
    LineChart chart = ChartOf({{.name = "a", .points = std::move(points)}});
    chart.y_scale = YScale::kAuto;
    return absl::StrContains(FormatLineChart(chart), "logarithmic");
  };
  EXPECT_TRUE(is_logarithmic({{1, 100}, {2, 1}}));
  EXPECT_FALSE(is_logarithmic({{1, 10}, {2, 1}}));
  EXPECT_FALSE(is_logarithmic({{1, 100}, {2, 0}}));
}

TEST(LineChart, LongSeriesHaveNoDots) {
  ChartSeries series = {.name = "long"};
  for (int k = 1; k <= 1000; ++k) series.points.push_back({double(k), 1.0 / k});
  const std::string chart = FormatLineChart(ChartOf({series}));
  EXPECT_EQ(CountOf(chart, "<circle"), 0U);
  EXPECT_EQ(CountOf(LinesOf(chart)[0], "L"), 999U);
}

}  // namespace
}  // namespace cf::line_chart_test
