#include "common/page/bar_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <absl/strings/str_cat.h>

#include "common/page/escape.h"
#include "common/page/plot_area.h"
#include "common/page/series_style.h"
#include "common/page/ticks.h"

namespace cf {
namespace {

constexpr double kDigitWidth = 8.5;  // Of a label's character on a phone, where text is larger.
constexpr double kLabelGap = 8;
constexpr double kBarShare = 0.84;  // Of a bar's place; the rest keeps it apart from the next.

bool IsDrawable(const Bar& bar) {
  return bar.value >= 0 && bar.value < 1e300;
}

/// Every so many bars have their label.
std::size_t LabelStep(const BarChart& chart, double place) {
  std::size_t longest = 0;
  for (const Bar& bar : chart.bars) longest = std::max(longest, bar.label.size());
  const double needed = static_cast<double>(longest) * kDigitWidth + kLabelGap;
  return static_cast<std::size_t>(std::max(1.0, std::ceil(needed / place)));
}

std::string Axes(const BarChart& chart, AxisRange y_range) {
  std::string text = "<g class=\"axes\">";
  const std::vector<double> ticks = LinearTicks(y_range, kTicksMax, /*whole=*/true);
  const std::vector<std::string> texts = TickTexts(ticks);
  for (std::size_t k = 0; k < ticks.size(); ++k) {
    const std::string y = At(kPlotTop + (1 - ticks[k] / y_range.high) * kPlotHeight);
    absl::StrAppend(&text, "<path class=\"grid\" d=\"M", At(kPlotLeft), " ", y, "h", At(kPlotWidth),
                    "\"/><text class=\"y\" x=\"", At(kPlotLeft - 6), "\" y=\"", y,
                    "\" dy=\".35em\">", texts[k], "</text>");
  }
  const double place = kPlotWidth / static_cast<double>(chart.bars.size());
  const double bottom = kPlotTop + kPlotHeight;
  const bool edges = chart.labels == BarLabels::kAtEdges;
  for (std::size_t k = 0; k < chart.bars.size(); k += LabelStep(chart, place)) {
    const std::string x =
        At(kPlotLeft + (static_cast<double>(k) + (edges ? (1 - kBarShare) / 2 : 0.5)) * place);
    absl::StrAppend(&text, "<path d=\"M", x, " ", At(bottom), "v4\"/><text x=\"", x, "\" y=\"",
                    At(bottom + 17), "\">", EscapeMarkup(chart.bars[k].label), "</text>");
  }
  absl::StrAppend(&text, "<path d=\"M", At(kPlotLeft), " ", At(bottom), "h", At(kPlotWidth),
                  "\"/><text class=\"label\" x=\"", At(kPlotLeft + kPlotWidth / 2), "\" y=\"",
                  At(kChartHeight - 7), "\">", EscapeMarkup(chart.x_label),
                  "</text><text class=\"label first\" x=\"2\" y=\"14\">",
                  EscapeMarkup(chart.y_label), "</text></g>");
  return text;
}

std::string Bars(const BarChart& chart, AxisRange y_range) {
  const double place = kPlotWidth / static_cast<double>(chart.bars.size());
  std::string text = absl::StrCat("<g class=\"bars ", SeriesClass(0), "\">");
  for (std::size_t k = 0; k < chart.bars.size(); ++k) {
    const Bar& bar = chart.bars[k];
    if (!IsDrawable(bar)) continue;
    const double height = bar.value / y_range.high * kPlotHeight;
    absl::StrAppend(
        &text, "<rect x=\"", At(kPlotLeft + (static_cast<double>(k) + (1 - kBarShare) / 2) * place),
        "\" y=\"", At(kPlotTop + kPlotHeight - height), "\" width=\"", At(place * kBarShare),
        "\" height=\"", At(height), "\"><title>",
        EscapeMarkup(absl::StrCat(bar.name, ": ", FigureText(bar.value))), "</title></rect>");
  }
  return text + "</g>";
}

std::string Description(const BarChart& chart, const Bar& tallest) {
  return absl::StrCat(chart.y_label, " by ", chart.x_label, ", ", chart.bars.size(),
                      chart.bars.size() == 1 ? " bar" : " bars", ". The tallest is ", tallest.name,
                      " with ", FigureText(tallest.value), ".");
}

}  // namespace

std::string FormatBarChart(const BarChart& chart) {
  const auto tallest =
      std::max_element(chart.bars.begin(), chart.bars.end(), [](const Bar& a, const Bar& b) {
        return (IsDrawable(a) ? a.value : -1) < (IsDrawable(b) ? b.value : -1);
      });
  const bool empty = tallest == chart.bars.end() || !IsDrawable(*tallest);
  std::string text =
      absl::StrCat("<figure><figcaption>", EscapeMarkup(chart.title),
                   "</figcaption><svg role=\"img\" viewBox=\"0 0 ", kChartWidth, " ", kChartHeight,
                   "\"><title>", EscapeMarkup(chart.title), "</title><desc>",
                   empty ? absl::StrCat("No figures of ", EscapeMarkup(chart.y_label), ".")
                         : EscapeMarkup(Description(chart, *tallest)),
                   "</desc>");
  if (empty) {
    absl::StrAppend(&text, "<text class=\"nothing\" x=\"", At(kChartWidth / 2), "\" y=\"",
                    At(kChartHeight / 2), "\">no figures</text>");
  } else {
    const AxisRange y_range = {0, tallest->value > 0 ? tallest->value * 1.04 : 1};
    absl::StrAppend(&text, Axes(chart, y_range), Bars(chart, y_range));
  }
  return text + "</svg></figure>\n";
}

}  // namespace cf
