#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace cf {

/// How many ticks an axis of a chart has at most, so that their labels stand apart.
constexpr std::size_t kTicksMax = 7;

/// The part of an axis that a chart shows. Requires: low < high.
struct AxisRange {
  double low = 0;
  double high = 1;
};

/// At most `count_max` (at least 2) multiples of 1, 2 or 5 times a power of ten inside `range`;
/// whole numbers only with `whole`, and then perhaps fewer than two.
std::vector<double> LinearTicks(AxisRange range, std::size_t count_max, bool whole = false);

/// Ticks for a logarithmic axis: 1, 2 and 5 times powers of ten, or where they are too many the
/// powers, or every nth of them. A range with fewer than three of these has linear ticks.
/// Requires: range.low > 0.
std::vector<double> LogTicks(AxisRange range, std::size_t count_max);

/// What stands at the ticks, all with as many decimals as the finest needs: "0.80" and "0.85",
/// "500k" and "1000k", "1.5M".
std::vector<std::string> TickTexts(const std::vector<double>& ticks);

/// A figure as people read it, in six digits: "0.8375", "1.23457e-05", "512000".
std::string FigureText(double value);

}  // namespace cf
