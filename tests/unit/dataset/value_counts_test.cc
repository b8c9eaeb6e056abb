#include "common/dataset/value_counts.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace cf::value_counts_test {
namespace {

TEST(ValueCounts, CountsPartsAsTheWhole) {
  ValueCounts first;
  first.Add(std::vector<float>{3, -1.5F, 3, 0.0F});
  first.Add(std::vector<float>{4, 3});
  ValueCounts second;
  second.Add(std::vector<float>{-0.0F, 4, -1.5F});
  first.Add(second);
  ASSERT_TRUE(first.complete());
  const std::vector<ValueCounts::Entry> entries = first.Entries();
  ASSERT_EQ(entries.size(), 5U);
  const float values[] = {-1.5F, -0.0F, 0.0F, 3, 4};
  const std::uint64_t counts[] = {2, 1, 1, 3, 2};
  for (std::size_t k = 0; k < entries.size(); ++k) {
    EXPECT_EQ(entries[k].value, values[k]) << k;
    EXPECT_EQ(std::signbit(entries[k].value), std::signbit(values[k])) << k;
    EXPECT_EQ(entries[k].count, counts[k]) << k;
  }
}

TEST(ValueCounts, EndsWhereThereAreTooManyValues) {
  std::vector<float> values;
  for (int k = 0; k < 1024; ++k) values.push_back(static_cast<float>(k) / 7);
  ValueCounts counts;
  counts.Add(values);
  counts.Add(values);
  EXPECT_TRUE(counts.complete());
  EXPECT_EQ(counts.Entries().size(), 1024U);
  ValueCounts others;
  others.Add(std::vector<float>{5000});
  ValueCounts joined = counts;
  joined.Add(others);
  EXPECT_FALSE(joined.complete());
  counts.Add(std::vector<float>{5000, 1, 2});
  EXPECT_FALSE(counts.complete());
  others.Add(counts);
  EXPECT_FALSE(others.complete());
}

}  // namespace
}  // namespace cf::value_counts_test
