#pragma once

#include <string>

#include <absl/strings/str_format.h>

namespace cf {

// What every chart's drawing has in common. The units are the drawing's own; the page scales it to
// its column. Small, so that the text stays readable in a column of a phone's width.
inline constexpr double kChartWidth = 480;
inline constexpr double kChartHeight = 290;
inline constexpr double kPlotLeft = 60;
inline constexpr double kPlotTop = 26;
inline constexpr double kPlotWidth = kChartWidth - kPlotLeft - 14;
inline constexpr double kPlotHeight = kChartHeight - kPlotTop - 42;

/// A number as a coordinate: a tenth of a unit is finer than a pixel.
inline std::string At(double coordinate) {
  return absl::StrFormat("%.1f", coordinate);
}

}  // namespace cf
