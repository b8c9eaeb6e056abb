#include "common/dataset/histogram.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace cf {
namespace {

constexpr std::size_t kBins = 20;

/// A bin for each different value, ascending; empty where they are more than kBins.
Histogram HistogramOfEach(std::span<const float> values) {
  Histogram bins;
  for (const float value : values) {
    const auto wanted = static_cast<double>(value);
    const auto place =
        std::lower_bound(bins.begin(), bins.end(), wanted,
                         [](const HistogramBin& bin, double number) { return bin.low < number; });
    if (place != bins.end() && place->low == wanted) {
      ++place->count;
    } else if (bins.size() == kBins) {
      return {};
    } else {
      bins.insert(place, {.low = wanted, .high = wanted, .count = 1});
    }
  }
  return bins;
}

/// 1, 2, 5, 10, 20, ...: the largest that is at most `count`. Requires: count > 0.
std::uint64_t BinBeginOf(std::uint64_t count) {
  std::uint64_t power = 1;
  while (count / power >= 10) power *= 10;
  const std::uint64_t leading = count / power;
  return power * (leading >= 5 ? 5 : leading >= 2 ? 2 : 1);
}

std::uint64_t NextBin(std::uint64_t begin) {
  std::uint64_t power = 1;
  while (begin / power >= 10) power *= 10;
  return begin / power == 2 ? power * 5 : begin * 2;
}

}  // namespace

Histogram HistogramOfValues(std::span<const float> values) {
  Histogram bins = HistogramOfEach(values);
  if (!bins.empty() || values.empty()) return bins;
  const auto [least, largest] = std::minmax_element(values.begin(), values.end());
  const auto low = static_cast<double>(*least);
  const double width = (static_cast<double>(*largest) - low) / kBins;
  for (std::size_t k = 0; k < kBins; ++k) {
    const double begin = low + width * static_cast<double>(k);
    bins.push_back({.low = begin, .high = begin + width});
  }
  for (const float value : values) {
    const auto k = static_cast<std::size_t>((static_cast<double>(value) - low) / width);
    ++bins[std::min(k, kBins - 1)].count;
  }
  return bins;
}

Histogram HistogramOfCounts(std::span<const std::uint64_t> counts) {
  std::uint64_t least = ~std::uint64_t{0};
  std::uint64_t largest = 0;
  for (const std::uint64_t count : counts) {
    if (count == 0) continue;
    least = std::min(least, count);
    largest = std::max(largest, count);
  }
  Histogram bins;
  if (largest == 0) return bins;
  for (std::uint64_t begin = BinBeginOf(least); begin <= largest; begin = NextBin(begin)) {
    bins.push_back(
        {.low = static_cast<double>(begin), .high = static_cast<double>(NextBin(begin))});
  }
  for (const std::uint64_t count : counts) {
    if (count == 0) continue;
    const auto after =
        std::upper_bound(bins.begin(), bins.end(), static_cast<double>(count),
                         [](double number, const HistogramBin& bin) { return number < bin.low; });
    ++std::prev(after)->count;
  }
  return bins;
}

}  // namespace cf
