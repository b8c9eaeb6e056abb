#include "common/metrics/names.h"

#include <gtest/gtest.h>

namespace cf::names_test {
namespace {

TEST(MetricNames, AreReadAndWrittenAlike) {
  for (const char* name :
       {"val_top_1", "val_recall_5", "val_hr_10", "val_ndcg_50", "val_mrr_100", "val_coverage_10",
        "val_ild_10", "val_novelty_1000", "val_ndcg_10_unmasked", "val_top_100_unmasked",
        "val_hr_10_sampled_100", "val_top_1_sampled_1", "val_mrr_5_sampled_1000"}) {
    const std::optional<RankingMetric> metric = ParseRankingMetric(name);
    ASSERT_TRUE(metric.has_value()) << name;
    EXPECT_EQ(NameOf(*metric), name);
    EXPECT_TRUE(IsMetric(name));
    EXPECT_TRUE(LargerIsBetter(name));
    EXPECT_FALSE(IsOfTraining(name));
  }
  EXPECT_EQ(ParseRankingMetric("val_ndcg_20_unmasked"),
            (RankingMetric{RankingFigure::kNdcg, 20, true}));
  EXPECT_EQ(ParseRankingMetric("val_recall_20_sampled_99"),
            (RankingMetric{RankingFigure::kRecall, 20, false, 99}));
}

TEST(MetricNames, HaveOneSpelling) {
  for (const char* name : {"", "val_ndcg", "val_ndcg_", "val_ndcg_0", "val_ndcg_010", "val_ndcg_+1",
                           "val_ndcg_1001", "val_ndcg_10 ", "ndcg_10", "val_ndcg_10_masked",
                           "train_ndcg_10", "VAL_NDCG_10", "val_ndcg_10_unmasked_unmasked"}) {
    EXPECT_FALSE(IsMetric(name)) << name;
  }
}

TEST(MetricNames, OnlyPlacesOfPositivesAreSampled) {
  for (const char* name :
       {"val_hr_10_sampled", "val_hr_10_sampled_", "val_hr_10_sampled_0", "val_hr_10_sampled_1001",
        "val_hr_10_sampled_010", "val_hr_10_sampled_100_unmasked", "val_hr_10_unmasked_sampled_100",
        "val_hr_sampled_100", "val_hr_10_sampled_10_sampled_10", "val_coverage_10_sampled_100",
        "val_ild_10_sampled_100", "val_novelty_10_sampled_100"}) {
    EXPECT_FALSE(IsMetric(name)) << name;
  }
}

TEST(MetricNames, OfRatingFiguresTheSmallerIsBetter) {
  for (const char* name :
       {"train_loss", "train_rmse", "val_loss", "val_rmse", "val_mae", "val_bce"}) {
    EXPECT_TRUE(IsMetric(name));
    EXPECT_FALSE(LargerIsBetter(name));
  }
  EXPECT_TRUE(IsOfTraining("train_rmse"));
}

}  // namespace
}  // namespace cf::names_test
