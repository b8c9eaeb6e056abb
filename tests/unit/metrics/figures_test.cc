#include "common/metrics/figures.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::figures_test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(Figures, AreFoundByName) {
  const Figures figures = {{"train_loss", 1}, {"val_rmse", 2}, {"val_ndcg_10", 3}};
  EXPECT_EQ(figures.Find("train_loss"), 1);
  EXPECT_EQ(figures.Find("val_ndcg_10"), 3);
  EXPECT_EQ(figures.Find("val_ndcg_1"), std::nullopt);
  EXPECT_EQ(figures.Find(""), std::nullopt);
}

TEST(Figures, KeepTheirOrderAndOneValueOfEachName) {
  Figures figures = {{"val_rmse", 2}, {"train_loss", 1}};
  figures.SetAll({{"seconds", 0.5}, {"val_rmse", 3}});
  EXPECT_THAT(figures,
              ElementsAre(Figure{"val_rmse", 3}, Figure{"train_loss", 1}, Figure{"seconds", 0.5}));
}

TEST(Figures, OfValidationAreThoseThatStartSo) {
  EXPECT_THAT(ValidationOf({{"train_loss", 1}, {"val_loss", 2}, {"seconds", 3}, {"val_hr_5", 4}}),
              ElementsAre(Figure{"val_loss", 2}, Figure{"val_hr_5", 4}));
}

// The page and the comparison show them in this order.
TEST(JudgingNamesOf, ThoseOfValidationComeFirstAndThoseOfSpeedNot) {
  EXPECT_THAT(JudgingNamesOf({}), IsEmpty());
  const std::vector<EpochFigures> epochs = {
      {.epoch = 1,
       .figures = {{"train_loss", 1},
                   {"l2_penalty", 2},
                   {"val_rmse", 3},
                   {"val_ndcg_10", 4},
                   {"learning_rate", 5},
                   {"samples_per_second", 6},
                   {"seconds", 7}}},
      {.epoch = 2, .figures = {{"val_hr_5", 1}, {"val_ndcg_10", 2}, {"val_loss", 3}}}};
  EXPECT_THAT(JudgingNamesOf(epochs),
              ElementsAre("val_rmse", "val_loss", "train_loss", "val_ndcg_10", "val_hr_5"));
}

}  // namespace
}  // namespace cf::figures_test
