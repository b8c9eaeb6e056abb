#include "common/page/line_chart.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/math/math.h"
#include "common/page/escape.h"
#include "common/page/plot_area.h"
#include "common/page/series_style.h"
#include "common/page/ticks.h"

namespace cf {
namespace {

constexpr double kRing = 5;
constexpr double kMargin = 8;  // Around the plot, for the half of a ring on its edge.

constexpr std::size_t kDotsMax = 60;       // More of them would hide the line.
constexpr std::size_t kTooltipsMax = 400;  // A point each is one or two units of width.

/// Numbers beyond this have differences that are not finite; they are gaps too.
bool IsDrawable(double value) {
  return std::abs(value) < 1e300;
}

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void Include(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

/// Widens what is (nearly) one value, so that the axis has a length.
AxisRange Stretched(const Extent& extent) {
  const double size = std::max(std::abs(extent.low), std::abs(extent.high));
  if (extent.high - extent.low > 1e-9 * size) return {extent.low, extent.high};
  const double margin = size == 0 ? 1 : size * 0.1;
  return {extent.low - margin, extent.high + margin};
}

/// One chart being drawn: its axes and the text so far.
class Drawing {
 public:
  explicit Drawing(const LineChart& chart) : chart_(chart) { SetAxes(); }

  std::string Format();

 private:
  void SetAxes();
  void DrawAxes();
  void DrawSeries(const ChartSeries& series, std::size_t style);
  void DrawPoints(const ChartSeries& series);
  std::string Path(const ChartSeries& series) const;
  std::string Legend() const;
  std::string Description() const;

  bool Draws(const ChartPoint& point) const {
    return IsDrawable(point.x) && IsDrawable(point.y) && (!log_ || point.y > 0);
  }
  std::size_t DrawnPoints(const ChartSeries& series) const {
    return static_cast<std::size_t>(
        std::count_if(series.points.begin(), series.points.end(),
                      [this](const ChartPoint& point) { return Draws(point); }));
  }
  double X(double x) const { return (x - x_.low) / (x_.high - x_.low) * kPlotWidth; }
  double Y(double y) const {
    const double part =
        log_ ? (math::Log(y) - math::Log(y_.low)) / LogWidth() : (y - y_.low) / (y_.high - y_.low);
    return (1 - part) * kPlotHeight;
  }
  double LogWidth() const { return math::Log(y_.high) - math::Log(y_.low); }
  std::string PointText(const std::string& name, const ChartPoint& point) const {
    return EscapeMarkup(absl::StrCat(name, ": ", chart_.x_label, " ", FigureText(point.x), ", ",
                                     chart_.y_label, " ", FigureText(point.y)));
  }

  const LineChart& chart_;
  bool empty_ = false;
  bool log_ = false;
  AxisRange x_;
  AxisRange y_;
  std::string text_;
};

void Drawing::SetAxes() {
  Extent x;
  Extent y;  // Of what is highlighted, or of all where nothing is.
  Extent y_muted;
  const auto include = [&](const ChartSeries& series, const ChartPoint& point) {
    if (!IsDrawable(point.x) || !IsDrawable(point.y)) return;
    if (chart_.y_scale == YScale::kLog && point.y <= 0) return;
    x.Include(point.x);
    (series.muted ? y_muted : y).Include(point.y);
  };
  for (const ChartSeries& series : chart_.series) {
    for (const ChartPoint& point : series.points) include(series, point);
    if (series.best) include(series, *series.best);
  }
  if (y.empty()) y = y_muted;
  empty_ = y.empty();
  if (empty_) return;

  log_ = chart_.y_scale == YScale::kLog ||
         (chart_.y_scale == YScale::kAuto && y.low > 0 && y.high > 50 * y.low);
  x_ = Stretched(x);
  y_ = Stretched(y);
  // Lines keep off the frame.
  if (log_) {
    const double margin = math::Exp(0.04 * LogWidth());
    y_ = {y_.low / margin, y_.high * margin};
  } else {
    const double margin = (y_.high - y_.low) * 0.04;
    y_ = {y_.low - margin, y_.high + margin};
  }
}

void Drawing::DrawAxes() {
  absl::StrAppend(&text_, "<g class=\"axes\">");
  const std::vector<double> ys = log_ ? LogTicks(y_, kTicksMax) : LinearTicks(y_, kTicksMax);
  const std::vector<std::string> texts = TickTexts(ys);
  for (std::size_t k = 0; k < ys.size(); ++k) {
    const std::string y = At(kPlotTop + Y(ys[k]));
    // On a logarithmic axis a tick's decimals are its own: 0.001, 0.1, 10.
    const std::string text = log_ ? TickTexts({ys[k]}).front() : texts[k];
    absl::StrAppend(&text_, "<path class=\"grid\" d=\"M", At(kPlotLeft), " ", y, "h",
                    At(kPlotWidth), "\"/><text class=\"y\" x=\"", At(kPlotLeft - 6), "\" y=\"", y,
                    "\" dy=\".35em\">", text, "</text>");
  }
  const std::vector<double> xs = LinearTicks(x_, kTicksMax, chart_.x_whole);
  const std::vector<std::string> x_texts = TickTexts(xs);
  const double bottom = kPlotTop + kPlotHeight;
  for (std::size_t k = 0; k < xs.size(); ++k) {
    const std::string x = At(kPlotLeft + X(xs[k]));
    absl::StrAppend(&text_, "<path d=\"M", x, " ", At(bottom), "v4\"/><text x=\"", x, "\" y=\"",
                    At(bottom + 17), "\">", x_texts[k], "</text>");
  }
  absl::StrAppend(&text_, "<path d=\"M", At(kPlotLeft), " ", At(bottom), "h", At(kPlotWidth),
                  "\"/><text class=\"label\" x=\"", At(kPlotLeft + kPlotWidth / 2), "\" y=\"",
                  At(kChartHeight - 7), "\">", EscapeMarkup(chart_.x_label),
                  "</text><text class=\"label first\" x=\"2\" y=\"14\">",
                  EscapeMarkup(chart_.y_label), log_ ? ", logarithmic" : "", "</text></g>");
}

std::string Drawing::Path(const ChartSeries& series) const {
  std::string path;
  bool open = false;
  for (const ChartPoint& point : series.points) {
    const bool drawn = Draws(point);
    if (drawn) absl::StrAppend(&path, open ? "L" : "M", At(X(point.x)), " ", At(Y(point.y)));
    open = drawn;
  }
  return path;
}

void Drawing::DrawPoints(const ChartSeries& series) {
  const std::vector<ChartPoint>& points = series.points;
  const std::size_t drawn = DrawnPoints(series);
  for (std::size_t k = 0; k < points.size(); ++k) {
    if (!Draws(points[k])) continue;
    // Nothing but a dot shows a point that has no neighbour.
    const bool alone =
        (k == 0 || !Draws(points[k - 1])) && (k + 1 == points.size() || !Draws(points[k + 1]));
    if (!alone && (series.muted || drawn > kTooltipsMax)) continue;
    const bool dot = alone || drawn <= kDotsMax;
    absl::StrAppend(&text_, "<circle class=\"", dot ? "dot" : "spot", "\" cx=\"",
                    At(X(points[k].x)), "\" cy=\"", At(Y(points[k].y)), "\" r=\"",
                    alone ? "3"
                    : dot ? "1.8"
                          : "4",
                    "\"><title>", PointText(series.name, points[k]), "</title></circle>");
  }
}

void Drawing::DrawSeries(const ChartSeries& series, std::size_t style) {
  const std::string path = Path(series);
  absl::StrAppend(&text_, "<g class=\"", series.muted ? "muted" : SeriesClass(style), "\">");
  if (!path.empty()) {
    absl::StrAppend(&text_, "<path", series.muted ? "" : SeriesDash(style), " d=\"", path,
                    "\"><title>", EscapeMarkup(series.name), "</title></path>");
    DrawPoints(series);
  }
  if (series.best && Draws(*series.best)) {
    absl::StrAppend(&text_, "<circle class=\"best\" cx=\"", At(X(series.best->x)), "\" cy=\"",
                    At(Y(series.best->y)), "\" r=\"", kRing, "\"><title>",
                    PointText(series.name + ", best", *series.best), "</title></circle>");
  }
  absl::StrAppend(&text_, "</g>");
}

std::string Drawing::Legend() const {
  std::string legend = "<ul class=\"legend\">";
  std::size_t style = 0;
  std::size_t muted = 0;
  for (const ChartSeries& series : chart_.series) {
    if (series.muted) {
      ++muted;
      continue;
    }
    absl::StrAppend(&legend, "<li>", SeriesKey(style++), "<span>", EscapeMarkup(series.name),
                    !empty_ && DrawnPoints(series) == 0 ? " (no figures)" : "", "</span></li>");
  }
  if (muted > 0) {
    absl::StrAppend(&legend, "<li>", MutedKey(), "<span>", muted, muted == 1 ? " other" : " others",
                    "</span></li>");
  }
  return legend + "</ul>";
}

std::string Drawing::Description() const {
  if (empty_) return absl::StrCat("No figures of ", chart_.y_label, ".");
  std::string text =
      absl::StrCat(chart_.y_label, " by ", chart_.x_label, ", ", chart_.series.size(),
                   chart_.series.size() == 1 ? " line" : " lines", ".");
  for (const ChartSeries& series : chart_.series) {
    if (series.muted) continue;
    const auto last = std::find_if(series.points.rbegin(), series.points.rend(),
                                   [this](const ChartPoint& point) { return Draws(point); });
    if (last == series.points.rend()) continue;
    absl::StrAppend(&text, " ", series.name, " ends at ", FigureText(last->y));
    if (series.best) {
      absl::StrAppend(&text, ", best ", FigureText(series.best->y), " at ",
                      FigureText(series.best->x));
    }
    text += ".";
  }
  return text;
}

std::string Drawing::Format() {
  absl::StrAppend(&text_, "<figure><figcaption>", EscapeMarkup(chart_.title),
                  "</figcaption><svg role=\"img\" viewBox=\"0 0 ", kChartWidth, " ", kChartHeight,
                  "\"><title>", EscapeMarkup(chart_.title), "</title><desc>",
                  EscapeMarkup(Description()), "</desc>");
  if (empty_) {
    absl::StrAppend(&text_, "<text class=\"nothing\" x=\"", At(kChartWidth / 2), "\" y=\"",
                    At(kChartHeight / 2), "\">no figures</text>");
  } else {
    DrawAxes();
    // An inner picture cuts off what leaves it.
    absl::StrAppend(&text_, "<svg class=\"plot\" x=\"", At(kPlotLeft - kMargin), "\" y=\"",
                    At(kPlotTop), "\" width=\"", At(kPlotWidth + 2 * kMargin), "\" height=\"",
                    At(kPlotHeight), "\" viewBox=\"", -kMargin, " 0 ", At(kPlotWidth + 2 * kMargin),
                    " ", At(kPlotHeight), "\">");
    // The muted ones first: what is drawn later is on top.
    for (const ChartSeries& series : chart_.series) {
      if (series.muted) DrawSeries(series, 0);
    }
    std::size_t style = 0;
    for (const ChartSeries& series : chart_.series) {
      if (!series.muted) DrawSeries(series, style++);
    }
    absl::StrAppend(&text_, "</svg>");
  }
  absl::StrAppend(&text_, "</svg>", Legend(), "</figure>\n");
  return std::move(text_);
}

}  // namespace

std::string FormatLineChart(const LineChart& chart) {
  return Drawing(chart).Format();
}

}  // namespace cf
