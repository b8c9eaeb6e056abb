// Goal: no item is held back whose raw sum is above the threshold, whatever the weights are, and few
// others are let through.

#include "serving/item_sieve.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/kernels/objective.h"
#include "common/math/random.h"

namespace cf::item_sieve_test {
namespace {

constexpr std::uint32_t kItemCount = 3 * ItemSieve::kTile + 17;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

class ItemSieveTest : public testing::TestWithParam<KernelTarget> {
 protected:
  void SetUp() override {
    const absl::StatusOr<const KernelSet*> found = KernelsFor(GetParam());
    if (!found.ok()) GTEST_SKIP() << found.status();
    kernels_ = *found;
    SetFloatMode();
  }

  float Draw() { return 2 * random_.UniformFloat(drawn_++) - 1; }

  /// Of the same size for all, or over many orders of magnitude.
  std::vector<float> DrawVector(std::size_t dim, bool even) {
    std::vector<float> vector(PaddedDim(static_cast<std::uint32_t>(dim)));
    for (std::size_t k = 0; k < dim; ++k) {
      vector[k] = even ? Draw() : Draw() * std::exp(8 * Draw());
    }
    return vector;
  }

  WeightTable DrawItems(std::uint32_t dim, bool even) {
    WeightTable items(kItemCount, dim);
    for (std::uint32_t k = 0; k < kItemCount; ++k) {
      std::ranges::copy(DrawVector(dim, even), items.mutable_vector(RowId{k}));
      items.mutable_bias(RowId{k}) = Draw();
    }
    return items;
  }

  std::vector<float> RawSums(const WeightTable& items, const std::vector<float>& user, float bias,
                             float mean) const {
    const Objective objective{.mean = mean};
    std::vector<float> raw;
    for (std::uint32_t k = 0; k < items.rows(); ++k) {
      const float dot = kernels_->dot(user.data(), items.vector(RowId{k}), items.padded_dim());
      raw.push_back(RawSum(objective, bias, items.bias(RowId{k}), dot));
    }
    return raw;
  }

  ItemSieve SieveOf(const WeightTable& items, float mean) const {
    ItemSieve sieve(items, mean, *kernels_);
    for (std::uint32_t first = 0; first < items.rows(); first += ItemSieve::kTile) {
      EXPECT_FALSE(sieve.Has(first));
      sieve.Add(first);
      EXPECT_TRUE(sieve.Has(first));
      sieve.Add(first);  // Once more does nothing.
    }
    return sieve;
  }

  /// Which items are let through.
  static std::vector<bool> Through(const ItemSieve& sieve, const ItemSieve::Query& query,
                                   float threshold) {
    std::vector<bool> through;
    for (std::uint32_t first = 0; first < kItemCount; first += ItemSieve::kTile) {
      for (const std::uint64_t word : sieve.Above(query, first, threshold)) {
        for (int k = 0; k < 64; ++k) through.push_back((word >> k & 1) != 0);
      }
    }
    return through;
  }

  /// Every item against a threshold right below its raw sum, and all that its tile lets through then.
  void ExpectNothingHeldBack(const ItemSieve& sieve, const ItemSieve::Query& query,
                             const std::vector<float>& raw, const std::string& what) {
    for (std::size_t k = 0; k < raw.size(); ++k) {
      const float threshold = std::nextafter(raw[k], -kInfinity);
      if (!std::isfinite(threshold)) continue;
      const auto first = static_cast<std::uint32_t>(k / ItemSieve::kTile * ItemSieve::kTile);
      const ItemSieve::Rows rows = sieve.Above(query, first, threshold);
      for (std::size_t other = first; other < std::min<std::size_t>(first + 128, raw.size());
           ++other) {
        if (!(raw[other] > threshold)) continue;
        ASSERT_TRUE((rows[(other - first) / 64] >> (other % 64) & 1) != 0)
            << what << ": item " << other << " of " << raw[other] << " at " << threshold;
      }
    }
  }

  const KernelSet* kernels_ = nullptr;

 private:
  CounterRandom random_{17, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

TEST_P(ItemSieveTest, HoldsNothingBackThatIsAbove) {
  for (const std::uint32_t dim : {1U, 10U, 64U, 500U}) {
    for (const bool even : {true, false}) {
      const WeightTable items = DrawItems(dim, even);
      for (const float mean : {0.0F, 3.5F}) {
        const ItemSieve sieve = SieveOf(items, mean);
        for (int u = 0; u < 3; ++u) {
          const std::vector<float> user = DrawVector(dim, even);
          const float bias = Draw();
          const auto query = sieve.QueryOf(user.data(), bias);
          ASSERT_TRUE(query.has_value());
          ExpectNothingHeldBack(sieve, *query, RawSums(items, user, bias, mean),
                                std::to_string(dim) + " columns");
        }
      }
    }
  }
}

TEST_P(ItemSieveTest, HoldsNothingBackOfStrangeWeights) {
  WeightTable items = DrawItems(64, true);
  const auto fill = [&items](std::uint32_t item, float value) {
    std::fill_n(items.mutable_vector(RowId{item}), 64, value);
  };
  fill(0, 0);
  fill(1, 1e-38F);
  fill(2, 1e-42F);  // Zero, in the float mode.
  fill(3, 1e-16F);
  fill(4, 1e16F);
  fill(5, -1e36F);
  fill(6, 1e36F);
  items.mutable_vector(RowId{7})[63] = std::nanf("");
  items.mutable_vector(RowId{8})[0] = kInfinity;
  items.mutable_bias(RowId{9}) = kInfinity;
  items.mutable_bias(RowId{10}) = std::nanf("");
  items.mutable_bias(RowId{11}) = 1e30F;
  items.mutable_bias(RowId{12}) = -1e20F;
  fill(13, 0);
  items.mutable_vector(RowId{13})[5] = 1;  // One number has all.
  items.mutable_vector(RowId{14})[5] = 1e5F;
  const ItemSieve sieve = SieveOf(items, 0.25F);
  for (const float size : {1.0F, 1e-14F, 1e14F}) {
    std::vector<float> user = DrawVector(64, true);
    for (float& x : user) x *= size;
    for (const float bias : {0.0F, 1e10F, -1e-37F}) {
      const auto query = sieve.QueryOf(user.data(), bias);
      ASSERT_TRUE(query.has_value());
      ExpectNothingHeldBack(sieve, *query, RawSums(items, user, bias, 0.25F),
                            std::to_string(size) + " and " + std::to_string(bias));
    }
  }
}

TEST_P(ItemSieveTest, OfUsersBeyondWhatIsSureItSaysNothing) {
  const WeightTable items = DrawItems(16, true);
  const ItemSieve sieve(items, 0, *kernels_);
  std::vector<float> user(16, 1.0F);
  EXPECT_TRUE(sieve.QueryOf(user.data(), 0).has_value());
  EXPECT_FALSE(sieve.QueryOf(user.data(), kInfinity).has_value());
  EXPECT_FALSE(sieve.QueryOf(user.data(), std::nanf("")).has_value());
  for (const float x : {std::nanf(""), kInfinity, 1e17F}) {
    user[3] = x;
    EXPECT_FALSE(sieve.QueryOf(user.data(), 0).has_value()) << x;
  }
  std::ranges::fill(user, 0.0F);
  EXPECT_FALSE(sieve.QueryOf(user.data(), 0).has_value());
}

TEST_P(ItemSieveTest, LetsFewThroughThatAreNotAbove) {
  const WeightTable items = DrawItems(64, true);
  const ItemSieve sieve = SieveOf(items, 0);
  const std::vector<float> user = DrawVector(64, true);
  std::vector<float> raw = RawSums(items, user, 0.5F, 0);
  std::ranges::sort(raw, std::greater<>());
  const auto query = sieve.QueryOf(user.data(), 0.5F);
  ASSERT_TRUE(query.has_value());
  const std::vector<bool> through = Through(sieve, *query, raw[10]);
  EXPECT_GE(std::ranges::count(through, true), 10);
  EXPECT_LE(std::ranges::count(through, true), 20);
}

INSTANTIATE_TEST_SUITE_P(Targets, ItemSieveTest,
                         testing::Values(KernelTarget::kAvx2, KernelTarget::kAvx512),
                         [](const testing::TestParamInfo<KernelTarget>& test) {
                           return test.param == KernelTarget::kAvx2 ? "AVX2" : "AVX512";
                         });

TEST(ItemSieve, ItsMemoryIsCounted) {
  // Two tiles: a byte a number, padded, 16 bytes an item, and a state each.
  EXPECT_EQ(ItemSieve::BytesFor(129, 50), 256 * (64 + 16) + 2);
}

}  // namespace
}  // namespace cf::item_sieve_test
