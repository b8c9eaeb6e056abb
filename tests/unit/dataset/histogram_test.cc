#include "common/dataset/histogram.h"

#include <cstdint>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::histogram_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::uint64_t CountAll(const Histogram& bins) {
  std::uint64_t count = 0;
  for (const HistogramBin& bin : bins) count += bin.count;
  return count;
}

TEST(HistogramOfValues, HasABinForEachOfAFewValues) {
  const std::vector<float> ratings = {4, 0.5F, 4, 5, 0.5F, 4};
  EXPECT_THAT(HistogramOfValues(ratings),
              ElementsAre(HistogramBin{0.5, 0.5, 2}, HistogramBin{4, 4, 3}, HistogramBin{5, 5, 1}));
}

TEST(HistogramOfValues, CutsManyValuesIntoBinsOfOneWidth) {
  std::vector<float> ratings;
  for (int k = 0; k <= 1000; ++k) ratings.push_back(static_cast<float>(k) * 0.01F);
  const Histogram bins = HistogramOfValues(ratings);
  ASSERT_THAT(bins, SizeIs(20));
  EXPECT_EQ(bins.front().low, 0);
  EXPECT_NEAR(bins.back().high, 10, 1e-6);
  EXPECT_NEAR(bins[3].high - bins[3].low, 0.5, 1e-6);
  EXPECT_EQ(CountAll(bins), 1001U) << "the largest value is in the last bin";
  for (const HistogramBin& bin : bins) EXPECT_NEAR(static_cast<double>(bin.count), 50, 1);
}

TEST(HistogramOfValues, IsEmptyWithoutValues) {
  EXPECT_THAT(HistogramOfValues({}), IsEmpty());
}

TEST(HistogramOfCounts, BeginsBinsAtOneTwoAndFive) {
  const std::vector<std::uint64_t> counts = {1, 2, 4, 5, 9, 10, 19, 20, 49, 50, 100, 101};
  EXPECT_THAT(HistogramOfCounts(counts),
              ElementsAre(HistogramBin{1, 2, 1}, HistogramBin{2, 5, 2}, HistogramBin{5, 10, 2},
                          HistogramBin{10, 20, 2}, HistogramBin{20, 50, 2},
                          HistogramBin{50, 100, 1}, HistogramBin{100, 200, 2}));
}

TEST(HistogramOfCounts, SpansFromTheSmallestToTheLargest) {
  const std::vector<std::uint64_t> counts = {2314, 20, 0, 37};
  const Histogram bins = HistogramOfCounts(counts);
  EXPECT_EQ(bins.front(), (HistogramBin{20, 50, 2}));
  EXPECT_EQ(bins.back(), (HistogramBin{2000, 5000, 1}));
  EXPECT_THAT(bins, SizeIs(7));
  EXPECT_THAT(HistogramOfCounts(std::vector<std::uint64_t>{0, 0}), IsEmpty());
  EXPECT_EQ(HistogramOfCounts(std::vector<std::uint64_t>{1'000'000'000'000}).front().low, 1e12);
}

}  // namespace
}  // namespace cf::histogram_test
