#include "common/features/feature_lists.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"
#include "common/dataset/writer.h"
#include "tests/unit/dataset/test_files.h"

namespace cf::feature_lists_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// One line of a small data set. Users and items have the ids that they have here: the lower, the
/// more samples.
struct Line {
  std::uint32_t user;
  std::uint32_t item;
  std::int64_t timestamp;
};

// 1999-12-31 23:59:59, a Friday, and the second after it; 2001-09-09, a Sunday.
constexpr std::int64_t kLastSecondOf1999 = 946'684'799;
constexpr std::int64_t kSunday = 1'000'000'000;
const std::vector<Line> kLines = {{0, 0, kLastSecondOf1999}, {0, 1, kLastSecondOf1999 + 1},
                                  {0, 2, kSunday},           {1, 0, kSunday - 86'400},
                                  {1, 1, kSunday},           {2, 0, kSunday}};

class FeatureListsTest : public ::testing::Test {
 protected:
  Dataset Make(const std::string& name, const std::vector<ItemText>& texts, bool timestamps,
               std::int64_t shift = 0) {
    DatasetWriter writer = DatasetWriter::Create({.folder = folder_.Path(name),
                                                  .name = name,
                                                  .has_timestamps = timestamps,
                                                  .threads = 1})
                               .value();
    SampleChunk chunk;
    for (const Line& line : kLines) {
      chunk.users.push_back(line.user);
      chunk.items.push_back(line.item);
      chunk.ratings.push_back(3);
      if (timestamps) chunk.timestamps.push_back(line.timestamp + shift);
    }
    writer.Append(std::move(chunk));
    writer.SetUsers(Vocabulary(std::vector<std::int64_t>{1, 2, 3}));
    writer.SetItems(Vocabulary(std::vector<std::int64_t>{1, 2, 3}));
    if (!texts.empty()) writer.SetItemTexts(texts);
    EXPECT_TRUE(writer.Finish().ok());
    return Dataset::Open(folder_.Path(name)).value();
  }

  static DataSplit Everything(const Dataset& data) {
    return DataSplit::Make(data, Split()).value();
  }

  static absl::StatusOr<FeatureLists> Lists(Feature::Source source, const Dataset& data) {
    return FeatureLists::Make(source, data, Everything(data));
  }

  TestFolder folder_;
};

TEST_F(FeatureListsTest, GenresAreBytewiseOrderedAndEachOnceAnItem) {
  const Dataset data = Make("genres", {{"A", "Drama|Action"}, {"B", ""}, {"C", "War|Drama|War"}},
                            /*timestamps=*/false);
  const FeatureLists lists = Lists(Feature::ITEM_GENRES, data).value();
  EXPECT_EQ(lists.side(), FeatureSide::kItem);
  EXPECT_THAT(lists.names(), ElementsAre("Action", "Drama", "War"));
  EXPECT_EQ(lists.rows(), 3U);
  EXPECT_THAT(lists.RowsOf(RowId{0}), ElementsAre(RowId{0}, RowId{1}));
  EXPECT_THAT(lists.RowsOf(RowId{1}), IsEmpty());
  EXPECT_THAT(lists.RowsOf(RowId{2}), ElementsAre(RowId{1}, RowId{2}));
  EXPECT_EQ(lists.WeightOf(4), 0.25F);
  EXPECT_EQ(lists.WeightOf(0), 0.0F);
}

TEST_F(FeatureListsTest, YearsAndWeekdaysAreUtc) {
  const Dataset data = Make("times", {}, /*timestamps=*/true);
  const FeatureLists years = Lists(Feature::TIMESTAMP_YEAR, data).value();
  EXPECT_EQ(years.side(), FeatureSide::kSample);
  EXPECT_THAT(years.names(), ElementsAre("1999", "2000", "2001"));
  EXPECT_EQ(years.RowOfSample(RowId{0}, RowId{0}), RowId{0});
  EXPECT_EQ(years.RowOfSample(RowId{0}, RowId{1}), RowId{1});
  EXPECT_EQ(years.RowOfSample(RowId{2}, RowId{0}), RowId{2});
  EXPECT_EQ(years.RowOfSample(RowId{2}, RowId{1}), std::nullopt);
  EXPECT_EQ(years.newest(), RowId{2});

  const FeatureLists weekdays = Lists(Feature::TIMESTAMP_WEEKDAY, data).value();
  EXPECT_EQ(weekdays.rows(), 7U);
  EXPECT_EQ(weekdays.names().front(), "Monday");
  EXPECT_EQ(weekdays.RowOfSample(RowId{0}, RowId{0}), RowId{4});  // Friday,
  EXPECT_EQ(weekdays.RowOfSample(RowId{0}, RowId{1}), RowId{5});  // a second later Saturday.
  EXPECT_EQ(weekdays.RowOfSample(RowId{1}, RowId{1}), RowId{6});
  EXPECT_EQ(weekdays.newest(), RowId{6});
}

// What is made of a feature can be kept without the timestamps that it was made of; a row that is out
// of range, which a damaged file may have, is that of a pair that nobody knows.
TEST_F(FeatureListsTest, RowsThatAreMadeAlreadyStandForTimestamps) {
  const Dataset data = Make("made", {}, /*timestamps=*/true);
  const FeatureLists years = Lists(Feature::TIMESTAMP_YEAR, data).value();
  std::vector<RowId> rows;
  for (std::uint64_t s = 0; s < data.samples(); ++s) rows.push_back(years.RowOfSample(s));
  const auto made = [&] {
    return FeatureLists::Of(Feature::TIMESTAMP_YEAR, {.rows = years.rows(),
                                                      .names = years.names(),
                                                      .newest = years.newest(),
                                                      .rows_of_samples = rows,
                                                      .user_offsets = data.user_offsets(),
                                                      .item_column = data.item_column()});
  };
  EXPECT_EQ(made().newest(), years.newest());
  EXPECT_EQ(made().names(), years.names());
  for (std::uint32_t u = 0; u < data.users(); ++u) {
    for (std::uint32_t i = 0; i < data.items(); ++i) {
      EXPECT_EQ(made().RowOfSample(RowId{u}, RowId{i}), years.RowOfSample(RowId{u}, RowId{i}));
    }
  }
  rows[0] = RowId{3};
  EXPECT_EQ(made().RowOfSample(std::uint64_t{0}), years.newest());
}

// A validation sample must not be in the history: it would tell what is to be predicted.
TEST_F(FeatureListsTest, HistoriesAreOfTrainingSamplesOnly) {
  const Dataset data = Make("history", {}, /*timestamps=*/true);
  Split split;
  split.mutable_leave_last_out();
  const FeatureLists lists =
      FeatureLists::Make(Feature::USER_HISTORY, data, DataSplit::Make(data, split).value()).value();
  EXPECT_EQ(lists.side(), FeatureSide::kUser);
  EXPECT_EQ(lists.rows(), 3U);
  EXPECT_THAT(lists.RowsOf(RowId{0}), ElementsAre(RowId{0}, RowId{1}));
  EXPECT_THAT(lists.RowsOf(RowId{1}), ElementsAre(RowId{0}));
  EXPECT_THAT(lists.RowsOf(RowId{2}), ElementsAre(RowId{0}));
  EXPECT_EQ(lists.WeightOf(2), static_cast<float>(1 / std::sqrt(2.0)));
}

TEST_F(FeatureListsTest, ADataSetWithoutTheColumnIsRefusedByField) {
  const auto error = [&](const std::string& feature, const Dataset& data) {
    Job job = ParseJob("model { ranker { feature { source: USER_HISTORY } feature {" + feature +
                           "} dense {} } }",
                       "test")
                  .value();
    const absl::Status made = MakeFeatureLists(job, data, Everything(data)).status();
    EXPECT_EQ(made.code(), absl::StatusCode::kFailedPrecondition);
    return std::string(made.message());
  };
  const Dataset plain = Make("plain", {}, /*timestamps=*/false);
  EXPECT_EQ(error("source: ITEM_GENRES", plain),
            "model.ranker.feature.1.source is ITEM_GENRES: needs genres, which come with cfdata "
            "import --titles (those of u.item with --genres, too), and plain has none");
  EXPECT_EQ(
      error("source: TIMESTAMP_YEAR", plain),
      "model.ranker.feature.1.source is TIMESTAMP_YEAR: needs timestamps, and plain has none");
  EXPECT_EQ(error("source: ITEM_GENRES", Make("titles", {{"A", ""}, {"B", ""}, {"C", ""}}, false)),
            "model.ranker.feature.1.source is ITEM_GENRES: needs genres, which come with cfdata "
            "import --titles (those of u.item with --genres, too), and titles has none");
  EXPECT_EQ(error("source: TIMESTAMP_WEEKDAY", Make("before", {}, true, -kSunday)),
            "model.ranker.feature.1.source is TIMESTAMP_WEEKDAY: needs timestamps in seconds since "
            "1970, and those of before go from -53315201 to 0");
}

}  // namespace
}  // namespace cf::feature_lists_test
