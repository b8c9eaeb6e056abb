// Goal: a list is the best rows in one order whatever way they are offered. Method: sort everything.

#include "common/model/top_list.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::top_list_test {
namespace {

constexpr float kNotANumber = std::numeric_limits<float>::quiet_NaN();
constexpr float kBelowAll = -std::numeric_limits<float>::infinity();

bool IsAllowed(RowId id) {
  return Index(id) % 7 != 3;
}

std::vector<ScoredRow> Slow(const std::vector<float>& scores, std::size_t n) {
  std::vector<ScoredRow> rows;
  for (std::uint32_t k = 0; k < scores.size(); ++k) {
    if (scores[k] > kBelowAll && IsAllowed(RowId{k})) rows.push_back({RowId{k}, scores[k]});
  }
  std::stable_sort(rows.begin(), rows.end(),
                   [](const ScoredRow& a, const ScoredRow& b) { return a.score > b.score; });
  rows.resize(std::min(rows.size(), n));
  return rows;
}

// Few different scores, so that most rows tie, some of them no numbers.
std::vector<float> DrawScores(std::uint32_t count) {
  const CounterRandom random(5, Purpose::kSynth);
  std::vector<float> scores;
  for (std::uint32_t k = 0; k < count; ++k) {
    const std::uint64_t drawn = random.Below(k, 12);
    scores.push_back(drawn == 10   ? kNotANumber
                     : drawn == 11 ? kBelowAll
                                   : static_cast<float>(drawn));
  }
  return scores;
}

TEST(TopList, IsTheSameForBlocksOfAnySizeAndForSingleRows) {
  const std::vector<float> scores = DrawScores(700);
  for (const std::size_t n : {0UL, 1UL, 5UL, 64UL, 699UL, 1000UL}) {
    const std::vector<ScoredRow> expected = Slow(scores, n);
    for (const std::size_t block : {1UL, 15UL, 16UL, 33UL, 700UL}) {
      TopList list(n);
      for (std::size_t first = 0; first < scores.size(); first += block) {
        const std::size_t count = std::min(block, scores.size() - first);
        list.OfferRows(RowId{static_cast<std::uint32_t>(first)},
                       std::span(scores).subspan(first, count), IsAllowed);
      }
      EXPECT_EQ(list.Take(), expected) << n << " in blocks of " << block;
    }
    TopList list(n);
    for (std::uint32_t k = 0; k < scores.size(); ++k) {
      if (IsAllowed(RowId{k})) list.Offer(RowId{k}, scores[k]);
    }
    EXPECT_EQ(list.Take(), expected) << n;
  }
}

TEST(TopList, IsEmptyForTheNextSearchOnceItIsTaken) {
  TopList list(2);
  list.Offer(RowId{0}, 5);
  list.Offer(RowId{1}, 6);
  EXPECT_EQ(list.Take().size(), 2U);
  EXPECT_TRUE(list.Take().empty());
  list.Offer(RowId{0}, 1);
  EXPECT_EQ(list.Take(), (std::vector<ScoredRow>{{RowId{0}, 1}}));
}

}  // namespace
}  // namespace cf::top_list_test
