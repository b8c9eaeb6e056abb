#include "common/math/random.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cf::random_test {
namespace {

using testing::ElementsAre;

// The vectors published with the paper's code (Random123, kat_vectors, philox4x32 10).
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_THAT(Philox({0, 0, 0, 0}, 0),
              ElementsAre(0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U));
  EXPECT_THAT(Philox({~0U, ~0U, ~0U, ~0U}, ~std::uint64_t{0}),
              ElementsAre(0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU));
  EXPECT_THAT(Philox({0x243f6a88U, 0x85a308d3U, 0x13198a2eU, 0x03707344U}, 0x299f31d0a4093822U),
              ElementsAre(0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U));
}

TEST(Random, SeedPurposeStreamAndNumberAllMatter) {
  std::set<std::uint64_t> seen;
  int made = 0;
  for (const std::uint64_t seed : {0U, 1U, 42U}) {
    for (const Purpose purpose : {Purpose::kInitialValues, Purpose::kShuffle}) {
      for (const std::uint64_t stream :
           {std::uint64_t{0}, std::uint64_t{1}, CounterRandom::Stream(1, 0),
            CounterRandom::kStreamsMax - 1}) {
        const CounterRandom random(seed, purpose, stream);
        for (const std::uint64_t n :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 32, ~std::uint64_t{0}}) {
          seen.insert(random.Bits64(n));
          ++made;
        }
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(made));
}

TEST(Random, UniformsHaveTheirRangeMeanAndVariance) {
  const CounterRandom random(3, Purpose::kFault);
  constexpr int kDraws = 200'000;
  double sum = 0.0, squares = 0.0, float_sum = 0.0;
  for (int n = 0; n < kDraws; ++n) {
    const double u = random.UniformDouble(static_cast<std::uint64_t>(n));
    const float f = random.UniformFloat(static_cast<std::uint64_t>(n));
    ASSERT_TRUE(u >= 0.0 && u < 1.0 && f >= 0.0F && f < 1.0F);
    sum += u;
    squares += u * u;
    float_sum += static_cast<double>(f);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.003);
  EXPECT_NEAR(squares / kDraws, 1.0 / 3, 0.003);
  EXPECT_NEAR(float_sum / kDraws, 0.5, 0.003);
}

TEST(Random, BelowIsEvenAndInRange) {
  const CounterRandom random(4, Purpose::kFault);
  std::vector<int> counts(7);
  for (std::uint64_t n = 0; n < 70'000; ++n) ++counts.at(random.Below(n, 7));
  for (const int count : counts) EXPECT_NEAR(count, 10'000, 400);
  EXPECT_EQ(random.Below(0, 1), 0U);
}

std::vector<std::uint32_t> Shuffled(std::size_t size, std::uint64_t seed, std::uint64_t epoch,
                                    std::uint32_t partition) {
  std::vector<std::uint32_t> values(size);
  std::iota(values.begin(), values.end(), 0U);
  Shuffle(values, seed, epoch, partition);
  return values;
}

TEST(Random, ShuffleIsAPermutationThatDependsOnAllItsKeys) {
  for (const std::size_t size : {0U, 1U, 2U, 3U, 4U, 5U, 1000U, 1001U}) {
    std::vector<std::uint32_t> values = Shuffled(size, 1, 2, 3);
    std::sort(values.begin(), values.end());
    for (std::size_t i = 0; i < size; ++i) ASSERT_EQ(values[i], i);
  }
  const std::vector<std::uint32_t> base = Shuffled(1000, 1, 2, 3);
  EXPECT_EQ(base, Shuffled(1000, 1, 2, 3));
  EXPECT_NE(base, Shuffled(1000, 2, 2, 3));
  EXPECT_NE(base, Shuffled(1000, 1, 3, 3));
  EXPECT_NE(base, Shuffled(1000, 1, 2, 4));
}

TEST(Random, ShuffleMakesEveryOrderEquallyOften) {
  std::vector<int> counts(64);  // By the base-4 digits of the first three places.
  for (std::uint64_t epoch = 0; epoch < 24'000; ++epoch) {
    const std::vector<std::uint32_t> v = Shuffled(4, 9, epoch, 0);
    ++counts[v[0] * 16 + v[1] * 4 + v[2]];
  }
  EXPECT_EQ(std::count_if(counts.begin(), counts.end(), [](int n) { return n > 0; }), 24);
  for (const int count : counts) {
    if (count > 0) {
      EXPECT_NEAR(count, 1000, 130);  // Four deviations.
    }
  }
}

TEST(Random, ShuffleGolden) {
  EXPECT_THAT(Shuffled(10, 42, 1, 3), ElementsAre(5, 3, 8, 0, 4, 9, 7, 1, 6, 2));
}

TEST(Random, ShuffleOfShortDrawsGolden) {
  std::vector<std::uint32_t> values(10);
  std::iota(values.begin(), values.end(), 0U);
  Shuffle<std::uint32_t>(std::span(values), CounterRandom(42, Purpose::kBlockShuffle, 7));
  EXPECT_THAT(values, ElementsAre(0, 6, 2, 9, 3, 5, 1, 7, 4, 8));
}

TEST(Random, AShuffleThatEndsEarlyHasTheRestInPlace) {
  for (const std::size_t size : {0U, 1U, 2U, 70U, 1001U}) {
    std::vector<std::uint32_t> whole(size);
    std::iota(whole.begin(), whole.end(), 0U);
    const CounterRandom random(42, Purpose::kBlockShuffle, 7);
    std::vector<std::uint32_t> in_part = whole;
    Shuffle<std::uint32_t>(std::span(whole), random);
    const std::vector<std::uint32_t> unshuffled = in_part;
    for (std::size_t first = 0; first <= size; first = 3 * first / 2 + 1) {
      in_part = unshuffled;
      Shuffle<std::uint32_t>(std::span(in_part), random, first);
      for (std::size_t k = first; k < size; ++k) ASSERT_EQ(in_part[k], whole[k]) << first;
    }
  }
}

/// Mean and variance.
std::pair<double, double> Moments(const std::vector<float>& values) {
  double sum = 0.0, squares = 0.0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double mean = sum / static_cast<double>(values.size());
  return {mean, squares / static_cast<double>(values.size()) - mean * mean};
}

TEST(Random, FillUniformStaysInItsRange) {
  std::vector<float> values(100'001);
  FillUniform(CounterRandom(5, Purpose::kInitialValues), 0, -0.05, 0.05, values);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*low, -0.05F);
  EXPECT_LT(static_cast<double>(*high), 0.05);
  EXPECT_LT(*low, -0.0499F);
  EXPECT_GT(*high, 0.0499F);
  const auto [mean, variance] = Moments(values);
  EXPECT_NEAR(mean, 0.0, 3e-4);
  EXPECT_NEAR(variance, 0.01 / 12, 1e-5);
}

// A range so narrow that rounding to float would often give its excluded end.
TEST(Random, FillUniformNeverRoundsUpToTheExcludedEnd) {
  std::vector<float> values(1000);
  FillUniform(CounterRandom(5, Purpose::kInitialValues), 0, 1.0, 1.0 + 0x1p-22, values);
  for (const float value : values) {
    ASSERT_TRUE(value == 1.0F || value == 1.0F + 0x1p-23F);
  }
}

TEST(Random, FillNormalHasItsMoments) {
  std::vector<float> values(200'000);
  FillNormal(CounterRandom(5, Purpose::kInitialValues), 0, 1.5, 0.25, values);
  const auto [mean, variance] = Moments(values);
  EXPECT_NEAR(mean, 1.5, 0.003);
  EXPECT_NEAR(variance, 0.0625, 0.001);
  const auto inside = std::count_if(values.begin(), values.end(),
                                    [](float v) { return std::abs(v - 1.5F) < 0.25F; });
  EXPECT_NEAR(static_cast<double>(inside) / 200'000, 0.6827, 0.005);
}

TEST(Random, FillTruncatedNormalHasItsVarianceAndIsCut) {
  std::vector<float> values(200'000);
  FillTruncatedNormal(CounterRandom(5, Purpose::kInitialValues), 0, 0.04, values);
  const auto [mean, variance] = Moments(values);
  EXPECT_NEAR(mean, 0.0, 0.002);
  EXPECT_NEAR(variance, 0.04, 0.0005);
  const float cut = 2.0F * 0.2F / 0.8796256F;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  EXPECT_GE(*low, -cut * 1.000001F);
  EXPECT_LE(*high, cut * 1.000001F);
  EXPECT_LT(*low, -cut * 0.99F);
  EXPECT_GT(*high, cut * 0.99F);
}

TEST(Random, FillsDoNotDependOnWhereTheyStart) {
  const CounterRandom random(5, Purpose::kInitialValues, CounterRandom::Stream(1, 77));
  std::vector<float> whole(64), part(10);
  FillNormal(random, 0, 0.0, 1.0, whole);
  FillNormal(random, 4, 0.0, 1.0, part);
  EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + 16));
}

TEST(Random, FillGolden) {
  std::vector<float> values(3);
  FillUniform(CounterRandom(42, Purpose::kInitialValues), 0, -0.05, 0.05, values);
  EXPECT_THAT(values, ElementsAre(0x1.2d9fe2p-7F, 0x1.5beeaap-5F, -0x1.806ac4p-5F));
  FillTruncatedNormal(CounterRandom(42, Purpose::kInitialValues), 0, 0.01, values);
  EXPECT_THAT(values, ElementsAre(0x1.9d94f8p-6F, 0x1.31af62p-3F, -0x1.7a5192p-3F));
}

}  // namespace
}  // namespace cf::random_test
