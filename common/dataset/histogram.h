#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cf {

/// How many values are from `low` (included) to `high` (excluded, but for the last bin's).
struct HistogramBin {
  double low = 0;
  double high = 0;  ///< Equal to `low` where a bin is one value.
  std::uint64_t count = 0;

  bool operator==(const HistogramBin&) const = default;
};

using Histogram = std::vector<HistogramBin>;

/// A bin for each value where they are at most 20 different ones, as ratings are; else 20 bins of
/// one width. Empty without values. Requires: all are finite.
Histogram HistogramOfValues(std::span<const float> values);

/// Bins that begin at 1, 2, 5, 10, 20, 50, ..., from that of the smallest number to that of the
/// largest: how many users have so many ratings. Empty without numbers; zeros are not counted.
Histogram HistogramOfCounts(std::span<const std::uint64_t> counts);

}  // namespace cf
