// The items that are drawn beside a user's samples: negatives of training and scoring, and
// candidates of sampled metrics (sampled_candidates.h).
#include "worker/negatives.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"
#include "worker/sampled_candidates.h"

namespace cf::negatives_test {
namespace {

constexpr std::uint32_t kItemCount = 11;
constexpr RowId kUser{5};
constexpr RowId kItem{4};

std::vector<RowId> Items(const std::vector<std::uint32_t>& numbers) {
  std::vector<RowId> items;
  for (const std::uint32_t number : numbers) items.push_back(RowId{number});
  return items;
}

std::vector<RowId> Drawn(const Negatives& negatives, const std::vector<std::uint32_t>& taken,
                         RowId user = kUser, RowId item = kItem) {
  std::vector<RowId> drawn = {RowId{99}};
  negatives.Draw(user, item, kItemCount, {.items = Items(taken), .left_out = {}}, drawn);
  return drawn;
}

TEST(UntakenItem, CountsTheItemsThatAreNotTaken) {
  for (const std::vector<std::uint32_t>& taken :
       {std::vector<std::uint32_t>{}, {0}, {10}, {3, 4, 5}, {0, 2, 4, 6, 8, 10}, {0, 1, 9, 10}}) {
    std::uint32_t rank = 0;
    for (std::uint32_t item = 0; item < kItemCount; ++item) {
      if (std::ranges::count(taken, item) > 0) continue;
      EXPECT_EQ(UntakenItem(rank++, static_cast<std::uint32_t>(taken.size()),
                            [&taken](std::uint32_t j) { return taken[j]; }),
                RowId{item});
    }
  }
}

// Goal: what is left out of a list is as if it were not in it. Method: every list of ten items, and
// every part of it that is left out.
TEST(TakenItems, LeftOutItemsAreNotTaken) {
  constexpr std::uint32_t kItems = 10;
  for (std::uint32_t listed = 0; listed < 1U << kItems; ++listed) {
    // Each part of `listed` once, from all of it down to nothing.
    for (std::uint32_t out = listed;; out = (out - 1) & listed) {
      std::vector<RowId> items;
      std::vector<std::uint32_t> left_out;
      std::vector<RowId> untaken;
      for (std::uint32_t item = 0; item < kItems; ++item) {
        const bool is_out = (out >> item & 1U) != 0;
        if (is_out) left_out.push_back(static_cast<std::uint32_t>(items.size()));
        if ((listed >> item & 1U) != 0) items.push_back(RowId{item});
        if ((listed >> item & 1U) == 0 || is_out) untaken.push_back(RowId{item});
      }
      const TakenItems taken = {.items = items, .left_out = left_out};
      ASSERT_EQ(taken.size(), kItems - untaken.size());
      for (std::uint32_t rank = 0; rank < untaken.size(); ++rank) {
        ASSERT_EQ(taken.Untaken(rank), untaken[rank]) << listed << " without " << out;
      }
      if (out == 0) break;
    }
  }
}

TEST(Negatives, AreAsLikelyAsEachOtherAndNeverTaken) {
  constexpr std::uint32_t kDraws = 8000;
  const std::vector<std::uint32_t> taken = {1, 4, 10};
  std::map<RowId, int> counts;
  for (const RowId item : Drawn(Negatives::OfEpoch(7, 3, kDraws), taken)) ++counts[item];
  EXPECT_EQ(counts.size(), kItemCount - taken.size());
  for (const auto& [item, count] : counts) {
    EXPECT_EQ(std::ranges::count(taken, Index(item)), 0);
    EXPECT_NEAR(count, 1000, 120) << Index(item);  // Four deviations.
  }
}

TEST(Negatives, AreAFunctionOfSeedEpochUserAndItem) {
  const auto drawn = Drawn(Negatives::OfEpoch(7, 3, 20), {1});
  EXPECT_EQ(Drawn(Negatives::OfEpoch(7, 3, 20), {1}), drawn);
  EXPECT_NE(Drawn(Negatives::OfEpoch(8, 3, 20), {1}), drawn);
  EXPECT_NE(Drawn(Negatives::OfEpoch(7, 4, 20), {1}), drawn);
  EXPECT_NE(Drawn(Negatives::OfEpoch(7, 3, 20), {1}, RowId{6}), drawn);
  EXPECT_NE(Drawn(Negatives::OfEpoch(7, 3, 20), {1}, kUser, RowId{5}), drawn);
  EXPECT_NE(Drawn(Negatives::OfScoring(20), {1}), drawn);
}

TEST(Negatives, OfAUserWhoHasAllItemsAreNone) {
  const std::vector<std::uint32_t> all = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_TRUE(Drawn(Negatives::OfEpoch(7, 0, 8), all).empty());
  std::vector<std::uint32_t> but_one = all;
  but_one.erase(but_one.begin() + 6);
  EXPECT_EQ(Drawn(Negatives::OfEpoch(7, 0, 2), but_one), (std::vector<RowId>{RowId{6}, RowId{6}}));
}

class SampledCandidatesTest : public ::testing::Test {
 protected:
  /// The candidates of a user, by scores that are their numbers, in blocks of `block` items.
  static std::vector<float> Candidates(SampledCandidates& sampled, std::uint32_t u,
                                       std::uint32_t block) {
    std::vector<float> all;
    for (std::uint32_t first = 0; first < TinyData::kItemCount; first += block) {
      std::vector<float> scores(std::min(block, TinyData::kItemCount - first));
      std::iota(scores.begin(), scores.end(), static_cast<float>(first));
      const std::span<const float> some = sampled.Take(u, first, scores);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  std::set<float> ItemsOf(RowId user) const {
    std::set<float> items;
    for (std::uint64_t s = data_.user_offsets()[Index(user)];
         s < data_.user_offsets()[Index(user) + 1]; ++s) {
      items.insert(static_cast<float>(Index(data_.item_column()[s])));
    }
    return items;
  }

  TinyData tiny_;
  Dataset data_ = Dataset::Open(tiny_.path()).value();
};

TEST_F(SampledCandidatesTest, AreThePositivesAndOthersThatTheUserHasNot) {
  constexpr std::uint32_t kSampled = 6;
  SampledCandidates sampled(data_, kSampled);
  SampledCandidates again(data_, kSampled);
  for (std::uint32_t u = 0; u < data_.users(); ++u) {
    const RowId positive = data_.item_column()[data_.user_offsets()[u]];
    sampled.Add(RowId{u}, std::span(&positive, 1));
    again.Clear();
    again.Add(RowId{u}, std::span(&positive, 1));
    const std::vector<float> candidates = Candidates(sampled, u, 4);
    EXPECT_TRUE(std::ranges::is_sorted(candidates));
    // Whoever draws, and however items come in blocks.
    EXPECT_EQ(Candidates(again, 0, 23), candidates);
    const std::set<float> has = ItemsOf(RowId{u});
    const auto own = std::ranges::count_if(candidates, [&](float c) { return has.contains(c); });
    EXPECT_EQ(own, 1);
    EXPECT_EQ(std::set<float>(candidates.begin(), candidates.end()).size(), candidates.size());
    EXPECT_EQ(candidates.size(), 1 + std::min<std::size_t>(kSampled, data_.items() - has.size()));
  }
}

TEST_F(SampledCandidatesTest, AreAllItemsWhereFewerAreAskedForThanThereAre) {
  SampledCandidates sampled(data_, 1000);
  sampled.Add(RowId{0}, {});
  EXPECT_EQ(Candidates(sampled, 0, 23).size(), data_.items() - ItemsOf(RowId{0}).size());
}

}  // namespace
}  // namespace cf::negatives_test
