#pragma once

#include <string>

#include "report/comparison.h"

namespace cf {

/// The comparison as a page for a browser: the table, the curves of the monitored figure, of the
/// losses and of the speed, what each value of a field led to, and every run's own summary and
/// configuration. The first dozen runs of the table are in colour, the others grey behind them.
/// Holds no time of its own making: the same runs give the same bytes.
std::string FormatComparePage(const Comparison& comparison);

}  // namespace cf
