#include "common/dataset/statistics.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <absl/strings/str_cat.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/dataset/dataset.h"
#include "common/dataset/import.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::statistics_test {
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

// Goal: an import says of what it has written what `cfdata stats` reads there.
// Method: few and many different ratings, none, sums, given validation samples, titles as keys; all
// that is printed is compared, and the deviations to the last bit.
TEST(ComputeStatistics, ReadsWhatAnImportCounted) {
  const TestFolder folder;
  std::mt19937 random(9);
  std::string few = "user,item,rating,timestamp\n";
  std::string many = few;
  std::string none = "user,item\n";
  std::string titles = "movieId,title\n";
  for (int k = 0; k < 20'000; ++k) {
    const std::string pair = absl::StrCat(random() % 400, ",", random() % 300);
    const std::string timestamp = std::to_string(900'000'000 + random() % 100'000);
    absl::StrAppend(&few, pair, ",", random() % 9, ".5,", timestamp, "\n");
    absl::StrAppend(&many, pair, ",", random() % 100'000, ",", timestamp, "\n");
    absl::StrAppend(&none, pair, "\n");
  }
  for (int item = 0; item < 300; ++item) {
    absl::StrAppend(&titles, item, ",Film ", item / 2, "\n");
  }
  few = folder.Write("few.csv", few);
  many = folder.Write("many.csv", many);
  none = folder.Write("none.csv", none);
  titles = folder.Write("titles.csv", titles);
  for (ImportOptions options :
       {ImportOptions{.ratings = {few}}, ImportOptions{.ratings = {many}, .threads = 3},
        ImportOptions{.ratings = {none}},
        ImportOptions{.ratings = {none}, .duplicates = Duplicates::kSum},
        ImportOptions{.ratings = {few}, .validation = many, .threads = 1},
        ImportOptions{.ratings = {many}, .titles = titles, .item_key = ItemKey::kTitle}}) {
    options.out = folder.Path("d");
    options.overwrite = true;
    const absl::StatusOr<ImportSummary> summary = Import(options);
    ASSERT_TRUE(summary.ok()) << summary.status();
    const DatasetStatistics& counted = summary->written.statistics;
    const DatasetStatistics read = ComputeStatistics(Dataset::Open(options.out).value());
    EXPECT_EQ(FormatStatistics(counted), FormatStatistics(read));
    EXPECT_EQ(counted.ratings.deviation, read.ratings.deviation);
    EXPECT_EQ(counted.ratings_per_user.deviation, read.ratings_per_user.deviation);
    EXPECT_EQ(counted.ratings_per_item.deviation, read.ratings_per_item.deviation);
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
  EXPECT_NEAR(statistics.density(), 0.017, 1e-4);
  EXPECT_THAT(FormatStatistics(statistics),
              HasSubstr("users 610, items 9,724, ratings 100,836, density 1.7%\n"));
}

}  // namespace
}  // namespace cf::statistics_test
