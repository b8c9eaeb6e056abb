#include "common/metrics/ranking.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::ranking_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t kMiss = UserPlaces::kMiss;

TEST(CountNotBelow, CountsWhatBeatsOrEqualsTheScore) {
  for (const std::size_t n : {0U, 1U, 7U, 8U, 15U, 16U, 17U, 1000U, 1024U}) {
    std::vector<float> candidates(n);
    std::uint32_t expected = 0;
    for (std::size_t k = 0; k < n; ++k) {
      candidates[k] = static_cast<float>(k * 7 % 13);
      expected += candidates[k] >= 5 ? 1U : 0U;
    }
    EXPECT_EQ(CountNotBelow(candidates, 5), expected) << n;
  }
  EXPECT_EQ(CountNotBelow(std::vector<float>(100, 0.F), 0), 100U);
  EXPECT_EQ(CountNotBelow(std::vector<float>(100, 0.F), -0.F), 100U);
}

TEST(CountNotBelow, ACandidateThatIsNoNumberCountsAgainstTheModel) {
  EXPECT_EQ(CountNotBelow(std::vector<float>(9, kNan), 5), 9U);
  EXPECT_EQ(CountNotBelow(std::vector<float>(9, -kInfinity), 5), 0U);
  EXPECT_EQ(CountNotBelow(std::vector<float>(9, kInfinity), 5), 9U);
}

/// The places of the first `positives` of `scores` among all of them.
UserPlaces PlacesAmong(const std::vector<float>& scores, std::size_t positives) {
  const std::span<const float> first = std::span(scores).first(positives);
  std::vector<std::uint32_t> not_below;
  for (const float score : first) not_below.push_back(CountNotBelow(scores, score));
  UserPlaces places;
  places.Set(first, not_below);
  return places;
}

TEST(UserPlaces, CountOtherPositivesAsCandidates) {
  const UserPlaces places = PlacesAmong({7, 9, 1, 8, 2}, 3);
  EXPECT_THAT(places.places, ElementsAre(3U, 1U, 5U));
  EXPECT_THAT(places.positions, ElementsAre(1U, 3U, 5U));
}

TEST(UserPlaces, TiesCountAgainstTheModel) {
  // Two positives and two others have the same score: the rank of each positive is the worst.
  const UserPlaces places = PlacesAmong({5, 5, 5, 5, 1}, 2);
  EXPECT_THAT(places.places, ElementsAre(4U, 4U));
  // In a list they cannot both be last.
  EXPECT_THAT(places.positions, ElementsAre(3U, 4U));
  EXPECT_THAT(PlacesAmong(std::vector<float>(100, 0.F), 1).places, ElementsAre(100U));
}

TEST(UserPlaces, WhatIsNoNumberMissesEvenAmongFew) {
  const UserPlaces places = PlacesAmong({kNan, 3, -kInfinity, 4}, 3);
  EXPECT_THAT(places.places, ElementsAre(kMiss, 3U, kMiss));
  // The one that is no number stands before it in no list: only the better one does.
  EXPECT_THAT(places.positions, ElementsAre(2U));
  EXPECT_THAT(PlacesAmong({kNan}, 1).positions, IsEmpty());
}

double FigureOfUser(RankingFigure figure, std::uint32_t k, const UserPlaces& user) {
  MetricSum sum;
  AddUser({figure, k, false}, user, sum);
  return sum.sum / static_cast<double>(sum.count);
}

TEST(AddUser, HasTheFiguresOfTheBooks) {
  // Positives at places 1, 3 and 5 of a list.
  const UserPlaces user = PlacesAmong({7, 9, 1, 8, 2}, 3);
  EXPECT_EQ(FigureOfUser(RankingFigure::kTop, 1, user), 1.0 / 3);
  EXPECT_EQ(FigureOfUser(RankingFigure::kTop, 3, user), 2.0 / 3);
  EXPECT_EQ(FigureOfUser(RankingFigure::kRecall, 4, user), 2.0 / 3);
  EXPECT_EQ(FigureOfUser(RankingFigure::kHitRate, 1, user), 1);
  EXPECT_EQ(FigureOfUser(RankingFigure::kMrr, 10, user), 1);
  const double ideal = 1 + 1 / std::log2(3) + 1 / std::log2(4);
  EXPECT_NEAR(FigureOfUser(RankingFigure::kNdcg, 5, user),
              (1 + 1 / std::log2(4) + 1 / std::log2(6)) / ideal, 1e-15);
  EXPECT_NEAR(FigureOfUser(RankingFigure::kNdcg, 2, user), 1 / (1 + 1 / std::log2(3)), 1e-15);

  const UserPlaces late = PlacesAmong({1, 9, 8, 7}, 1);
  EXPECT_EQ(FigureOfUser(RankingFigure::kMrr, 4, late), 0.25);
  EXPECT_EQ(FigureOfUser(RankingFigure::kMrr, 3, late), 0);
  EXPECT_EQ(FigureOfUser(RankingFigure::kHitRate, 3, late), 0);
  EXPECT_EQ(FigureOfUser(RankingFigure::kNdcg, 3, late), 0);

  // A miss is in no list, however long.
  const UserPlaces miss = PlacesAmong({kNan, 1}, 1);
  for (const RankingFigure figure :
       {RankingFigure::kTop, RankingFigure::kRecall, RankingFigure::kHitRate, RankingFigure::kNdcg,
        RankingFigure::kMrr}) {
    EXPECT_EQ(FigureOfUser(figure, kRankingKMax, miss), 0);
  }
}

TEST(MeanOf, AddsAlongTheTree) {
  EXPECT_EQ(MeanOf(std::vector<MetricSum>{{1, 2}, {2, 1}, {0, 0}, {3, 1}}), 1.5);
  // Left to right the ones would be lost.
  EXPECT_EQ(MeanOf(std::vector<MetricSum>{{0x1p53, 1}, {0, 0}, {1, 0}, {1, 0}}), 0x1p53 + 2);
  EXPECT_TRUE(std::isnan(MeanOf(std::vector<MetricSum>(4))));
}

TEST(SelfInformation, IsTheBitsOfAnItemsShare) {
  EXPECT_NEAR(SelfInformation(1, 1024), 10, 1e-14);
  EXPECT_NEAR(SelfInformation(256, 1024), 2, 1e-14);
  EXPECT_EQ(SelfInformation(1024, 1024), 0);
  EXPECT_EQ(SelfInformation(0, 1024), SelfInformation(1, 1024));
}

TEST(IntraListDistance, IsTheMeanOverPairs) {
  // Unit vectors along x, along x, along y, and one without direction: cosines 1 and five zeros.
  EXPECT_NEAR(IntraListDistance(std::vector<double>{2, 1}, 4, 3), 1 - 1.0 / 6, 1e-15);
  EXPECT_EQ(IntraListDistance(std::vector<double>{2, 0}, 2, 2), 0);
  EXPECT_EQ(IntraListDistance(std::vector<double>{0, 0}, 2, 0), 1);
}

}  // namespace
}  // namespace cf::ranking_test
