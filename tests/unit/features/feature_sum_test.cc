// Goal: an entry has the weighted sum of its rows, and zeros without any. Method: the definition in
// double, over a small data set whose items have none to four genres.

#include "common/features/feature_sum.h"

#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/worker/tiny_data.h"

namespace cf::feature_sum_test {
namespace {

TEST(FeatureSum, IsTheWeightedSumOfAnEntrysRowsOnTopOfItsOwn) {
  const TinyData tiny;
  const Dataset data = Dataset::Open(tiny.path()).value();
  const DataSplit split = DataSplit::Make(data, Split()).value();
  const FeatureLists genres = FeatureLists::Make(Feature::ITEM_GENRES, data, split).value();
  constexpr std::size_t kDim = 2 * kLanes;
  const auto weight = [](std::uint32_t row, std::size_t d) {
    return 0.25F * static_cast<float>((7 * row + 3 * d) % 11) - 1.0F;
  };
  const FeatureSum sum(kDim, *KernelsFor(KernelTarget::kBest).value());
  bool has_empty = false;
  for (std::uint32_t item = 0; item < data.items(); ++item) {
    const std::span<const RowId> rows = genres.RowsOf(RowId{item});
    has_empty |= rows.empty();
    std::vector<float> composed(kDim);
    float bias = 0;
    for (const RowId row : rows) {
      std::vector<float> vector;
      for (std::size_t d = 0; d < kDim; ++d) {
        vector.push_back(weight(static_cast<std::uint32_t>(row), d));
      }
      sum.Add(vector.data(), weight(static_cast<std::uint32_t>(row), 5), composed.data(), bias);
    }
    sum.End(genres, rows.size(), composed.data(), bias);
    std::vector<float> own(kDim, 0.5F);
    float own_bias = 2;
    sum.Add(composed.data(), bias, own.data(), own_bias);
    const auto expected = [&](std::size_t d) {
      double mean = 0;
      for (const RowId row : rows) {
        mean += static_cast<double>(weight(static_cast<std::uint32_t>(row), d)) /
                static_cast<double>(rows.size());
      }
      return mean;
    };
    for (std::size_t d = 0; d < kDim; ++d) {
      EXPECT_NEAR(static_cast<double>(own[d]), 0.5 + expected(d), 1e-6) << item << " " << d;
    }
    EXPECT_NEAR(static_cast<double>(own_bias), 2 + expected(5), 1e-6) << item;
  }
  EXPECT_TRUE(has_empty);
}

}  // namespace
}  // namespace cf::feature_sum_test
