#include "common/dataset/select.h"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace cf::select_test {
namespace {

std::vector<std::uint64_t> SmallestBySorting(const std::vector<std::uint64_t>& keys,
                                             std::size_t count) {
  std::vector<std::uint64_t> indices(keys.size());
  for (std::size_t k = 0; k < keys.size(); ++k) indices[k] = k;
  std::stable_sort(indices.begin(), indices.end(),
                   [&keys](auto a, auto b) { return keys[a] < keys[b]; });
  indices.resize(count);
  std::sort(indices.begin(), indices.end());
  return indices;
}

TEST(MarkSmallest, AgreesWithSorting) {
  std::mt19937_64 random(7);
  // Spread keys, many equal keys, one key, and keys that share their upper bits.
  for (const std::uint64_t mask : {~0ULL, 0xFULL, 0ULL, 0xFFFF'FFFFULL}) {
    std::vector<std::uint64_t> keys(200'000);
    for (std::uint64_t& key : keys) key = random() & mask;
    const auto for_each = [&keys](const auto& visit) {
      for (std::size_t k = 0; k < keys.size(); ++k) visit(k, keys[k]);
    };
    for (const std::size_t count : {0UL, 1UL, 777UL, 150'000UL, 199'999UL, 200'000UL}) {
      std::vector<std::uint64_t> marked;
      MarkSmallest(for_each, count, [&marked](std::uint64_t k) { marked.push_back(k); });
      std::sort(marked.begin(), marked.end());
      ASSERT_EQ(marked, SmallestBySorting(keys, count)) << mask << " " << count;
    }
  }
}

TEST(NarrowToRank, EndsAtTheElement) {
  const std::vector<std::uint64_t> keys = {50, 10, 30, 30, 20, ~0ULL, 0};
  std::vector<std::uint64_t> sorted = keys;
  std::sort(sorted.begin(), sorted.end());
  const auto for_each = [&keys](const auto& visit) {
    for (std::size_t k = 0; k < keys.size(); ++k) visit(k, keys[k]);
  };
  for (std::size_t rank = 0; rank < keys.size(); ++rank) {
    const KeyRange range = NarrowToRank(for_each, rank, 0, {});
    EXPECT_EQ(range.first, sorted[rank]);
    EXPECT_EQ(range.last, sorted[rank]);
  }
}

}  // namespace
}  // namespace cf::select_test
