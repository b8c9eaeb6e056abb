#pragma once

#include <string>
#include <vector>

namespace cf {

/// One bar, from zero up to `value`.
struct Bar {
  std::string label;  ///< Below the bar.
  std::string name;   ///< In its tooltip, before the value: "ratings from 20 to 49".
  double value = 0;   ///< Below zero, or not finite: no bar.
};

enum class BarLabels {
  kCentred,  ///< Each bar stands for its label.
  kAtEdges,  ///< Each bar reaches from its label to the next.
};

/// Bars side by side with their axes: a histogram.
struct BarChart {
  std::string title;
  std::string x_label;
  std::string y_label;
  BarLabels labels = BarLabels::kCentred;
  std::vector<Bar> bars = {};
};

/// The chart as a <figure> for HtmlPage: an SVG with a text alternative and a tooltip at each bar.
/// Labels that would run into each other are left out. Never fails: without a bar it says so.
std::string FormatBarChart(const BarChart& chart);

}  // namespace cf
