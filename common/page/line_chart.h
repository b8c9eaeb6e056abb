#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cf {

struct ChartPoint {
  double x = 0;
  double y = 0;
};

/// One line of a chart.
struct ChartSeries {
  std::string name;
  std::vector<ChartPoint> points = {};  ///< In order of x; one that is not finite is a gap.
  std::optional<ChartPoint> best = {};  ///< Gets a ring.
  /// Thin and grey behind the others, for the many that are not the subject.
  bool muted = false;
};

enum class YScale {
  kLinear,
  kLog,   ///< What is not above zero is a gap.
  kAuto,  ///< kLog where every figure is above zero and the largest is over 50 times the smallest.
};

/// A chart of lines with its axes and legend.
///
/// The y axis spans the series that are not muted; muted ones are cut off where they leave it, so
/// that one diverged run of a hundred does not flatten the rest. Highlighted series are told apart
/// by their order (series_style.h): the same order in every chart of a page gives a run one colour.
struct LineChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  YScale y_scale = YScale::kLinear;
  bool x_whole = false;  ///< Ticks of x are whole numbers, as epochs are.
  std::vector<ChartSeries> series = {};
};

/// The chart as a <figure> for HtmlPage: an SVG with a text alternative, a tooltip at each point
/// and line, and the legend beside it as text. Never fails: without a figure to draw it says so.
std::string FormatLineChart(const LineChart& chart);

}  // namespace cf
