#include "common/dataset/statistics.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dataset/import.h"
#include "tests/unit/dataset/test_files.h"

namespace cf {
namespace {

using ::testing::HasSubstr;

TEST(Describe, PrintsWhatPandasDoes) {
  // pandas.Series([3, -1, 4, 1, -5.5, 9, 2, 6]).describe()
  const std::vector<float> values = {3, -1, 4, 1, -5.5F, 9, 2, 6};
  const Description description = Describe(values);
  EXPECT_EQ(description.count, 8U);
  EXPECT_DOUBLE_EQ(description.mean, 2.3125);
  EXPECT_NEAR(description.deviation, 4.399168, 1e-6);
  EXPECT_EQ(description.min, -5.5);
  EXPECT_EQ(description.quartiles[0], 0.5);
  EXPECT_EQ(description.quartiles[1], 2.5);
  EXPECT_EQ(description.quartiles[2], 4.5);
  EXPECT_EQ(description.max, 9);
}

TEST(Describe, TakesOneValueAndZerosOfBothSigns) {
  EXPECT_TRUE(std::isnan(Describe(std::vector<float>{2}).deviation));
  EXPECT_EQ(Describe(std::vector<float>{2}).quartiles[1], 2);
  const Description zeros = Describe(std::vector<float>{0.0F, -0.0F, 0.0F});
  EXPECT_EQ(zeros.quartiles[1], 0);
  EXPECT_EQ(zeros.deviation, 0);
}

TEST(Describe, TakesManyDifferentValuesAndFew) {
  for (const int different : {5, 4001}) {
    std::vector<float> values;
    for (int k = 0; k < 4001; ++k) values.push_back(static_cast<float>(k * 7 % different - 2));
    std::vector<float> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    const Description description = Describe(values);
    for (const int quarter : {1, 2, 3}) {
      EXPECT_EQ(description.quartiles[quarter - 1],
                sorted[static_cast<std::size_t>(quarter) * 1000]);
    }
    EXPECT_EQ(description.min, -2);
    EXPECT_EQ(description.max, different - 3);
    EXPECT_NEAR(description.mean, (different - 5) / 2.0, 1e-3);
    EXPECT_NEAR(description.deviation, std::sqrt((different * different - 1) / 12.0), 0.3);
  }
}

TEST(ComputeStatistics, HasTheNotebooksFiguresOfLatestSmall) {
  const std::optional<std::string> real = RealData("ml-latest-small");
  CF_SKIP_WITHOUT(real, "ml-latest-small");
  const TestFolder folder;
  ASSERT_TRUE(Import({.ratings = {*real + "/ratings.csv"}, .out = folder.Path("d")}).ok());
  const Dataset data = Dataset::Open(folder.Path("d")).value();
  const DatasetStatistics statistics = ComputeStatistics(data);
  EXPECT_NEAR(statistics.ratings.mean, 3.501557, 1e-6);
  EXPECT_NEAR(statistics.ratings.deviation, 1.042529, 1e-6);
  EXPECT_NEAR(statistics.ratings_per_user.mean, 165.304918, 1e-6);
  EXPECT_NEAR(statistics.ratings_per_user.deviation, 269.480584, 1e-6);
  EXPECT_EQ(statistics.ratings_per_user.quartiles[1], 70.5);
  EXPECT_EQ(statistics.ratings_per_user.max, 2698);
  EXPECT_EQ(statistics.ratings_per_item.quartiles[2], 9);
  EXPECT_NEAR(statistics.density, 0.017, 1e-4);
  EXPECT_THAT(FormatStatistics(data, statistics),
              HasSubstr("users 610, items 9,724, ratings 100,836, density 1.7%\n"));
}

}  // namespace
}  // namespace cf
