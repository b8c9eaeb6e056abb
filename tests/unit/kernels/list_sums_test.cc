#include "common/kernels/list_sums.h"

#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "common/math/random.h"

namespace cf::list_sums_test {
namespace {

constexpr std::size_t kDims[] = {0, 16, 32, 48, 64, 80, 144};  // Padded.

class ListSumsTest : public ::testing::TestWithParam<KernelTarget> {
 protected:
  void SetUp() override {
    const absl::StatusOr<const KernelSet*> kernels = KernelsFor(GetParam());
    if (!kernels.ok()) GTEST_SKIP() << kernels.status();
    kernels_ = &ListSumKernelsOf(**kernels);
    SetFloatMode();
    scratch_.resize(EntryGradients::kScratchFloats);
    kernels_->clear(scratch_.size(), scratch_.data());
  }

  /// Between -1 and 1, every seventh of them a zero of either sign.
  std::vector<float> Draw(std::size_t count) {
    std::vector<float> values(count);
    for (float& value : values) {
      value = 2 * random_.UniformFloat(drawn_++) - 1;
      if (Below(7) == 0) value = Below(2) == 0 ? 0.0F : -0.0F;
    }
    return values;
  }

  std::uint64_t Below(std::uint64_t n) { return random_.Below(drawn_++, n); }

  const ListSumKernels* kernels_ = nullptr;
  std::vector<float> scratch_;

 private:
  CounterRandom random_{11, Purpose::kSynth};
  std::uint64_t drawn_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Targets, ListSumsTest,
                         ::testing::Values(KernelTarget::kAvx2, KernelTarget::kAvx512),
                         [](const ::testing::TestParamInfo<KernelTarget>& target) {
                           return std::string(target.param == KernelTarget::kAvx2 ? "AVX2"
                                                                                  : "AVX512");
                         });

/// The signs of zeros count, too.
std::uint32_t Bits(float value) {
  return std::bit_cast<std::uint32_t>(value);
}

TEST_P(ListSumsTest, ClearedSumsBecomeWhatIsAddedFirst) {
  std::vector<float> sums(33, 1.0F);
  kernels_->clear(32, sums.data());
  for (std::size_t k = 0; k < 32; ++k) {
    EXPECT_EQ(Bits(sums[k] + 0.0F), Bits(0.0F));
    EXPECT_EQ(Bits(sums[k] + -0.0F), Bits(-0.0F));
  }
  EXPECT_EQ(sums[32], 1.0F);
}

TEST_P(ListSumsTest, RowsAreAddedToTheirEntriesInTheirOrder) {
  constexpr std::size_t kRows = 19;
  constexpr std::size_t kEntries = 11;
  for (const std::size_t n : kDims) {
    const std::size_t stride = n + kLanes;
    const std::vector<float> table = Draw(kRows * stride);
    std::vector<const float*> rows;
    std::vector<std::uint32_t> ends;
    std::vector<std::uint32_t> entries;
    std::vector<std::vector<std::size_t>> lists(kEntries);
    for (std::size_t row = 0; row < kRows; ++row) {
      rows.push_back(table.data() + row * stride);
      // The last entry has no rows.
      for (std::uint32_t entry = 0; entry + 1 < kEntries; ++entry) {
        if (Below(3) == 0) continue;
        entries.push_back(entry);
        lists[entry].push_back(row);
      }
      ends.push_back(static_cast<std::uint32_t>(entries.size()));
    }
    std::vector<float> sums(kEntries * stride);
    kernels_->clear(sums.size(), sums.data());
    kernels_->add_rows({.ends = ends, .entries = entries.data()}, rows.data(), n, stride,
                       sums.data());
    for (std::size_t entry = 0; entry < kEntries; ++entry) {
      for (std::size_t k = 0; k <= n; ++k) {
        std::optional<float> expected;
        for (const std::size_t row : lists[entry]) {
          const float weight = table[row * stride + k];
          expected = expected.has_value() ? *expected + weight : weight;
        }
        ASSERT_EQ(Bits(sums[entry * stride + k]), Bits(expected.value_or(-0.0F)))
            << n << ", entry " << entry << ", weight " << k;
      }
    }
  }
}

/// What lies under the node whose leaves are `first` to `last` - 1: the sum of its halves, or the
/// half that is there.
std::optional<float> SumOf(const std::vector<std::optional<float>>& leaves, std::size_t first,
                           std::size_t last) {
  if (last - first == 1) return leaves[first];
  const std::size_t middle = (first + last) / 2;
  const std::optional<float> left = SumOf(leaves, first, middle);
  const std::optional<float> right = SumOf(leaves, middle, last);
  if (!left.has_value()) return right;
  return right.has_value() ? *left + *right : left;
}

TEST_P(ListSumsTest, EntriesAreSummedUnderLeavesAndThenAlongTheTree) {
  constexpr std::size_t kEntries = 40;
  for (const std::size_t n : kDims) {
    const std::size_t stride = n + kLanes;
    const std::vector<float> gradients = Draw(kEntries * stride);
    for (std::uint32_t leaf_count = 1; leaf_count <= EntryGradients::kLeavesMax; leaf_count *= 2) {
      std::vector<std::uint8_t> leaves;
      for (std::size_t entry = 0; entry < kEntries; ++entry) {
        leaves.push_back(static_cast<std::uint8_t>(entry * leaf_count / kEntries));
      }
      for (const std::uint64_t one_in : {1U, 2U, 7U, 25U}) {
        std::vector<std::uint32_t> entries;
        for (std::uint32_t entry = 0; entry < kEntries; ++entry) {
          if (Below(one_in) == 0) entries.push_back(entry);
        }
        if (entries.empty()) entries.push_back(kEntries / 2);
        std::vector<float> sum(n + 1);
        const EntrySum of{.entries = entries, .leaf_count = leaf_count, .sum = sum.data()};
        kernels_->sum_entries({.leaves = leaves.data(),
                               .gradients = gradients.data(),
                               .stride = stride,
                               .padded_dim = n},
                              {&of, 1}, scratch_.data());
        for (std::size_t k = 0; k <= n; ++k) {
          std::vector<std::optional<float>> of_leaves(leaf_count);
          for (const std::uint32_t entry : entries) {
            std::optional<float>& leaf = of_leaves[leaves[entry]];
            const float gradient = gradients[entry * stride + k];
            leaf = leaf.has_value() ? *leaf + gradient : gradient;
          }
          ASSERT_EQ(Bits(sum[k]), Bits(SumOf(of_leaves, 0, leaf_count).value_or(-0.0F)))
              << n << ", " << leaf_count << " leaves, " << entries.size() << " entries, weight "
              << k;
        }
        for (const float left : scratch_) ASSERT_EQ(Bits(left), Bits(-0.0F));
      }
    }
  }
}

}  // namespace
}  // namespace cf::list_sums_test
