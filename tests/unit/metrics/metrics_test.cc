#include "common/metrics/metrics.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace cf {
namespace {

TEST(Metrics, MeansOverAllSamples) {
  const std::vector<ObjectiveSums> sums = {
      {.loss = 2, .squared_error = 5, .absolute_error = 4, .samples = 3},
      {},
      {.loss = 1, .squared_error = 4, .absolute_error = 1, .samples = 1},
      {}};
  const Figures figures = FiguresOf(sums);
  EXPECT_EQ(figures.samples, 4U);
  EXPECT_DOUBLE_EQ(figures.loss, 0.75);
  EXPECT_DOUBLE_EQ(figures.rmse, 1.5);
  EXPECT_DOUBLE_EQ(figures.mae, 1.25);
}

// 2^53 swallows 1 but not 2: only the tree's order gives 2^53 + 2.
TEST(Metrics, SumsAlongTheTree) {
  const std::vector<ObjectiveSums> sums = {{.loss = 0x1p53, .samples = 1},
                                           {.loss = 0, .samples = 0},
                                           {.loss = 1, .samples = 0},
                                           {.loss = 1, .samples = 0}};
  EXPECT_EQ(FiguresOf(sums).loss, 0x1p53 + 2);
}

TEST(Metrics, NoSamplesHaveNoFigures) {
  const Figures figures = FiguresOf(std::vector<ObjectiveSums>(4));
  EXPECT_EQ(figures.samples, 0U);
  EXPECT_TRUE(std::isnan(figures.loss));
  EXPECT_TRUE(std::isnan(figures.rmse));
  EXPECT_TRUE(std::isnan(figures.mae));
}

}  // namespace
}  // namespace cf
