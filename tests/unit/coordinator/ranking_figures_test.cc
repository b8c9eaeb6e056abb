#include "coordinator/ranking_figures.h"

#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/config/config.h"

namespace cf::ranking_figures_test {
namespace {

using ::testing::ElementsAre;

MeasureLists Asking(const std::vector<std::string>& names) {
  return MeasureListsCommand(names);
}

/// What a member of one partition answers to two metrics.
Reply Answer(std::uint32_t partition, double sum, std::uint64_t count, const std::string& listed) {
  Reply reply;
  PartitionRanks& ranks = *reply.add_ranks();
  ranks.set_partition(partition);
  ranks.add_sums(sum);
  ranks.add_counts(count);
  ranks.add_sums(0);
  ranks.add_counts(0);
  ranks.set_users(count);
  ranks.set_positives(2 * count);
  ranks.set_cold_users(partition);
  ranks.set_cold_positives(1);
  reply.add_listed("");
  reply.add_listed(listed);
  return reply;
}

TEST(OtherFigures, AreWhatTheJobAsksForAndMonitorsEachOnce) {
  Job job = ParseJob(
                "validation { metrics: ['val_hr_5', 'val_rmse', 'val_ndcg_10', 'val_hr_5'] }"
                "early_stopping { monitor: val_mrr_10 }",
                "test")
                .value();
  EXPECT_THAT(OtherFigures(job), ElementsAre("val_hr_5", "val_ndcg_10", "val_mrr_10"));
  job.mutable_early_stopping()->set_monitor("val_ndcg_10");
  EXPECT_THAT(OtherFigures(job), ElementsAre("val_hr_5", "val_ndcg_10"));
}

TEST(MeasureListsCommand, LeavesOutWhatIsNotOfRanking) {
  EXPECT_THAT(Asking({"val_bce", "val_hr_5", "val_hr_5", "val_loss"}).metrics(),
              ElementsAre("val_hr_5"));
}

TEST(AddUpLists, AddsPartitionsAndJoinsLists) {
  const std::vector<Reply> replies = {Answer(1, 1.5, 3, std::string("\x81\x00", 2)),
                                      Answer(0, 0.5, 1, std::string("\x01\x02", 2)), Reply()};
  const absl::StatusOr<RankingFigures> found =
      AddUpLists(Asking({"val_recall_10", "val_coverage_10"}), replies, 2, 10);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_THAT(found->figures,
              ElementsAre(Figure{"val_recall_10", 0.5}, Figure{"val_coverage_10", 0.3}));
  EXPECT_EQ(found->counts,
            (RankingCounts{.users = 4, .positives = 8, .cold_users = 1, .cold_positives = 2}));
  EXPECT_EQ(DescribeCounts(
                {.users = 943, .positives = 20000, .cold_users = 3, .cold_positives = 41}, 1682),
            "943 users with 20,000 validation samples among 1,682 items; 3 users and the items of "
            "41 samples are cold");
}

TEST(AddUpLists, NobodyToRankHasNoFigure) {
  const absl::StatusOr<RankingFigures> found =
      AddUpLists(Asking({"val_recall_10"}), std::vector<Reply>(1), 2, 10);
  ASSERT_TRUE(found.ok());
  EXPECT_TRUE(std::isnan(found->figures.Find("val_recall_10").value()));
}

TEST(AddUpLists, RefusesWhatWasNotAskedFor) {
  const std::vector<Reply> replies = {Answer(1, 1.5, 3, "")};
  const MeasureLists two = Asking({"val_recall_10", "val_coverage_10"});
  EXPECT_EQ(AddUpLists(two, replies, 1, 10).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(AddUpLists(Asking({"val_recall_10"}), replies, 2, 10).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace cf::ranking_figures_test
