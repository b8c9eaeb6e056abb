#include "common/metrics/metrics.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace cf::metrics_test {
namespace {

TEST(Metrics, MeansOverAllSamples) {
  const std::vector<ObjectiveSums> sums = {
      {.loss = 2, .squared_error = 5, .absolute_error = 4, .samples = 3},
      {},
      {.loss = 1, .squared_error = 4, .absolute_error = 1, .samples = 1},
      {}};
  EXPECT_EQ(SamplesOf(sums), 4U);
  const std::vector<std::string> names = {"val_loss", "val_rmse", "val_mae", "val_bce"};
  EXPECT_EQ(FiguresOf(sums, names),
            (Figures{{"val_loss", 0.75}, {"val_rmse", 1.5}, {"val_mae", 1.25}, {"val_bce", 0.75}}));
}

// 2^53 swallows 1 but not 2: only the tree's order gives 2^53 + 2.
TEST(Metrics, SumsAlongTheTree) {
  const std::vector<ObjectiveSums> sums = {{.loss = 0x1p53, .samples = 1},
                                           {.loss = 0, .samples = 0},
                                           {.loss = 1, .samples = 0},
                                           {.loss = 1, .samples = 0}};
  const std::vector<std::string> names = {"train_loss"};
  EXPECT_EQ(FiguresOf(sums, names).Find("train_loss"), 0x1p53 + 2);
}

TEST(Metrics, NoSamplesHaveNoFigures) {
  const std::vector<std::string> names = {"train_loss", "train_rmse"};
  EXPECT_TRUE(FiguresOf(std::vector<ObjectiveSums>(4), names).empty());
}

}  // namespace
}  // namespace cf::metrics_test
