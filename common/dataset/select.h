#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/check.h"

// Order statistics of sequences that are computed anew on each pass rather than stored: tens of
// millions of samples without memory for their keys. `for_each(visit)` calls visit(index, key) for
// every element, in the same order each time.
namespace cf {

/// Keys from `first` to `last`, both included, that hold the element searched for.
struct KeyRange {
  std::uint64_t first = 0;
  std::uint64_t last = ~std::uint64_t{0};
  std::uint64_t below = 0;  ///< How many keys are smaller than `first`.
  std::uint64_t size = 0;   ///< How many keys are in the range.
};

/// Narrows `range` around the element of `rank` (0 is the smallest) by histograms, until it holds
/// at most `enough` elements or one key. Requires: every key is in `range`; rank is below their
/// number.
template <class ForEach>
KeyRange NarrowToRank(const ForEach& for_each, std::uint64_t rank, std::uint64_t enough,
                      KeyRange range) {
  // 4,096 counters of 8 bytes: they fit the first-level cache.
  constexpr int kBits = 12;
  std::array<std::uint64_t, 1 << kBits> counts;
  do {
    const std::uint64_t width = range.last - range.first;
    const int shift = std::max(0, static_cast<int>(std::bit_width(width)) - kBits);
    counts.fill(0);
    for_each([&](std::uint64_t, std::uint64_t key) {
      const std::uint64_t offset = key - range.first;
      if (offset <= width) ++counts[offset >> shift];
    });
    std::size_t bucket = 0;
    while (bucket < counts.size() && rank - range.below >= counts[bucket]) {
      range.below += counts[bucket++];
    }
    Check(bucket < counts.size(), "the rank is below the number of elements");
    range.size = counts[bucket];
    range.first += std::uint64_t{bucket} << shift;
    range.last = std::min(range.last, range.first + ((std::uint64_t{1} << shift) - 1));
  } while (range.size > enough && range.first < range.last);
  return range;
}

/// Calls take(index) for the `count` elements with the smallest keys; among equal keys the ones
/// visited first. Requires: every key is in `keys`; count is at most the number of elements.
template <class ForEach, class Mark>
void MarkSmallest(const ForEach& for_each, std::uint64_t count, const Mark& take,
                  KeyRange keys = {}) {
  if (count == 0) return;
  const KeyRange range = NarrowToRank(for_each, count - 1, 1 << 16, keys);
  std::uint64_t wanted = count - range.below;
  if (range.first == range.last) {
    for_each([&](std::uint64_t index, std::uint64_t key) {
      if (key < range.first || (key == range.first && wanted > 0 && wanted-- > 0)) take(index);
    });
    return;
  }
  std::vector<std::pair<std::uint64_t, std::uint64_t>> candidates;
  candidates.reserve(range.size);
  for_each([&](std::uint64_t index, std::uint64_t key) {
    if (key < range.first) {
      take(index);
    } else if (key <= range.last) {
      candidates.emplace_back(key, index);
    }
  });
  // Stable, for equal keys count in the order of visiting, which need not be that of the indices.
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::uint64_t k = 0; k < wanted; ++k) take(candidates[k].second);
}

}  // namespace cf
