#include "report/report_data.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serving/catalogue.h"
#include "serving/served_model.h"
#include "tests/unit/report/report_fixture.h"

namespace cf::report_data_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr ReportDataOptions kPatient = {.samples_max = ~std::uint64_t{0},
                                        .row_bytes_max = ~std::uint64_t{0}};

// Every rating of a data set by the texts that people know.
std::map<std::pair<std::string, std::string>, float> AllRatings(const Dataset& data) {
  std::map<std::pair<std::string, std::string>, float> ratings;
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    for (std::uint64_t k = data.user_offsets()[user]; k < data.user_offsets()[user + 1]; ++k) {
      ratings[{data.user_raw_id(RowId{user}), data.title(data.item_column()[k])}] =
          data.ratings()[k];
    }
  }
  return ratings;
}

TEST(ReportData, HasTheRatingsOfTheMostActiveUsersAndTheMostRatedItems) {
  const ReportedFolder folder;
  const Dataset data = Dataset::Open(folder.data()).value();
  const auto ratings = AllRatings(data);
  std::map<std::string, int> per_user;
  std::map<std::string, int> per_item;
  for (const auto& [pair, rating] : ratings) {
    ++per_user[pair.first];
    ++per_item[pair.second];
  }
  const ReportData report = DescribeData(folder.View(), kPatient).value();
  ASSERT_THAT(report.top.users, SizeIs(15));
  ASSERT_THAT(report.top.items, SizeIs(15));
  const auto falls = [](std::map<std::string, int>& counts, const std::vector<std::string>& top) {
    for (std::size_t k = 1; k < top.size(); ++k) EXPECT_GE(counts[top[k - 1]], counts[top[k]]);
    int above = 0;
    for (const auto& [name, count] : counts) above += count > counts[top.back()] ? 1 : 0;
    EXPECT_LT(above, 15);
  };
  falls(per_user, report.top.users);
  falls(per_item, report.top.items);
  int rated = 0;
  for (std::size_t i = 0; i < 15; ++i) {
    for (std::size_t u = 0; u < 15; ++u) {
      const auto found = ratings.find({report.top.users[u], report.top.items[i]});
      const std::optional<float> expected =
          found == ratings.end() ? std::nullopt : std::optional(found->second);
      EXPECT_EQ(report.top.ratings[i][u], expected);
      rated += expected.has_value() ? 1 : 0;
    }
  }
  EXPECT_GT(rated, 20);
  EXPECT_LT(rated, 225);
}

// By scoring every item that a user has not seen, the slow way.
TEST(ReportData, RecommendsWhatTheModelPredictsHighest) {
  const ReportedFolder folder;
  const RunView run = folder.View();
  const ReportData report = DescribeData(run, kPatient).value();
  const Snapshot snapshot = Snapshot::Open(folder.run() + "/snapshots/best").value();
  const ServedModel model = ServedModel::Load(snapshot).value();
  const Catalogue catalogue = Catalogue::Open(snapshot.manifest(), "").value();
  const Dataset& data = catalogue.data();
  EXPECT_EQ(report.snapshot, run.snapshot->name());
  EXPECT_EQ(report.score_name, "predicted");
  EXPECT_THAT(report.no_sample_users, IsEmpty());
  ASSERT_THAT(report.sample_users, SizeIs(3));
  const RowId users[] = {RowId{0}, RowId{30}, RowId{59}};
  for (std::size_t k = 0; k < 3; ++k) {
    const SampleUser& sample = report.sample_users[k];
    EXPECT_EQ(sample.raw_id, data.user_raw_id(users[k]));
    EXPECT_EQ(sample.ratings, catalogue.SeenBy(users[k]).size());
    EXPECT_EQ(sample.training_ratings, catalogue.UserTrainingRatings(users[k]));
    std::vector<std::pair<float, std::uint32_t>> scores;
    for (std::uint32_t item = 0; item < data.items(); ++item) {
      if (catalogue.HasSeen(users[k], RowId{item})) continue;
      scores.emplace_back(-model.Predict(users[k], RowId{item}), item);
    }
    std::sort(scores.begin(), scores.end());
    ASSERT_THAT(sample.recommended, SizeIs(10));
    for (std::size_t n = 0; n < 10; ++n) {
      EXPECT_EQ(sample.recommended[n].name, data.title(RowId{scores[n].second}));
      EXPECT_EQ(sample.recommended[n].rating, -scores[n].first);
      EXPECT_EQ(sample.recommended[n].genres, "Action|Drama");
    }
    ASSERT_THAT(sample.highest, SizeIs(5));
    for (const RowId item : catalogue.SeenBy(users[k])) {
      const bool listed =
          std::any_of(sample.highest.begin(), sample.highest.end(),
                      [&](const ListedItem& of) { return of.name == data.title(item); });
      EXPECT_TRUE(listed || catalogue.RatingOf(users[k], item) <= sample.highest.back().rating);
    }
  }
  EXPECT_GE(report.sample_users[0].ratings, report.sample_users[1].ratings);
  EXPECT_GE(report.sample_users[1].ratings, report.sample_users[2].ratings);
}

TEST(ReportData, HasTheStatisticsOfTheDataSet) {
  const ReportedFolder folder;
  const Dataset data = Dataset::Open(folder.data()).value();
  const ReportData report = DescribeData(folder.View(), kPatient).value();
  EXPECT_EQ(report.samples, data.samples());
  EXPECT_EQ(report.statistics.ratings.mean, ComputeStatistics(data).ratings.mean);
  std::uint64_t counted = 0;
  for (const HistogramBin& bin : report.ratings) counted += bin.count;
  EXPECT_EQ(counted, data.samples());
  counted = 0;
  for (const HistogramBin& bin : report.per_user) counted += bin.count;
  EXPECT_EQ(counted, data.users());
}

TEST(ReportData, LeavesOutWhatIsTooLarge) {
  const ReportedFolder folder;
  RunView run = folder.View();
  ReportDataOptions options = kPatient;
  options.row_bytes_max = 1000;
  const ReportData report = DescribeData(run, options).value();
  EXPECT_THAT(report.sample_users, IsEmpty());
  EXPECT_THAT(report.no_sample_users, AllOf(HasSubstr("row files"), HasSubstr("cfrun report")));
  EXPECT_THAT(report.top.users, SizeIs(15));

  options = kPatient;
  options.samples_max = 100;
  run.snapshot->mutable_statistics()->set_training_samples(101);
  const absl::StatusOr<ReportData> refused = DescribeData(run, options);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("101 samples"));
}

TEST(ReportData, WithoutASnapshotDescribesTheDataSetAlone) {
  const ReportedFolder folder;
  RunView run = folder.View();
  run.snapshot.reset();
  const ReportData report = DescribeData(run, kPatient).value();
  EXPECT_EQ(report.users, 60U);
  EXPECT_THAT(report.sample_users, IsEmpty());
  EXPECT_EQ(report.no_sample_users, "there is no snapshot to recommend from");
  run.job.reset();
  EXPECT_TRUE(absl::IsNotFound(DescribeData(run, kPatient).status()));
}

TEST(ReportData, RefusesAnotherDataSet) {
  const ReportedFolder folder;
  RunView run = folder.View();
  run.snapshot->mutable_data()->set_digest("00");
  EXPECT_EQ(DescribeData(run, kPatient).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace cf::report_data_test
