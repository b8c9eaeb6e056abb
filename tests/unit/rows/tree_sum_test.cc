#include "common/rows/tree_sum.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <random>

#include <gtest/gtest.h>

namespace cf::tree_sum_test {
namespace {

const KernelSet& Kernels() {
  return *KernelsFor(KernelTarget::kBest).value();
}

using Leaves = std::map<std::uint32_t, float>;  // Of the partitions that have a gradient.

/// The definition: a node is the sum of its halves; an absent one passes the other through.
std::optional<float> SumOf(const Leaves& leaves, std::uint32_t first, std::uint32_t size) {
  if (size == 1) {
    const auto leaf = leaves.find(first);
    return leaf == leaves.end() ? std::nullopt : std::optional(leaf->second);
  }
  const std::optional<float> left = SumOf(leaves, first, size / 2);
  const std::optional<float> right = SumOf(leaves, first + size / 2, size / 2);
  if (!left.has_value()) return right;
  return right.has_value() ? *left + *right : *left;
}

std::uint32_t Below(std::mt19937& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random()) % bound;
}

/// Numbers of many magnitudes, so that nearly every other order of summing has other bits.
float DrawLeaf(std::mt19937& random) {
  const auto mantissa = static_cast<float>(Below(random, 20001)) - 10000.0F;
  return std::ldexp(mantissa, static_cast<int>(Below(random, 24)) - 12);
}

Leaves DrawLeaves(std::mt19937& random, std::uint32_t partitions) {
  Leaves leaves;
  const std::uint32_t share = 1 + Below(random, 4);
  for (std::uint32_t p = 0; p < partitions; ++p) {
    if (Below(random, 4) < share) leaves[p] = DrawLeaf(random);
  }
  if (leaves.empty()) leaves[Below(random, partitions)] = DrawLeaf(random);
  return leaves;
}

/// Gradients of no vector and a bias: what Reduce is told to sum.
struct Parts {
  std::vector<float> values;
  std::vector<TreePart> parts;

  Parts(const TreeSum& tree, const Leaves& leaves, SeatRange range) {
    values.reserve(leaves.size());
    for (const auto& [partition, value] : leaves) {
      if (!range.Contains(PartitionId{partition})) continue;
      values.push_back(value);
      parts.push_back({tree.Leaf(partition), &values.back()});
    }
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
};

TEST(TreeSum, SumsEveryLeafAlongTheTree) {
  std::mt19937 random(20261121);
  for (const std::uint32_t partitions : {1U, 2U, 4U, 16U, 128U}) {
    const TreeSum tree(Partitioning(partitions), {0, partitions}, Kernels(), 0);
    for (int repeat = 0; repeat < 300; ++repeat) {
      const Leaves leaves = DrawLeaves(random, partitions);
      Parts all(tree, leaves, {0, partitions});
      ASSERT_EQ(tree.Reduce(all.parts), 1U);
      ASSERT_EQ(*all.parts[0].gradient, *SumOf(leaves, 0, partitions));
    }
  }
}

// The heart of "the same bits for any number of ranks": however the partitions are cut into
// contiguous ranges, summing what lies in each and then the rest is summing everything.
TEST(TreeSum, AnyCutIntoRangesHasTheSameBits) {
  std::mt19937 random(20261122);
  for (const std::uint32_t partitions : {2U, 8U, 16U, 64U}) {
    const TreeSum whole(Partitioning(partitions), {0, partitions}, Kernels(), 0);
    for (int repeat = 0; repeat < 1000; ++repeat) {
      const Leaves leaves = DrawLeaves(random, partitions);
      std::vector<std::uint32_t> cuts = {0, partitions};
      for (std::uint32_t c = Below(random, partitions); c > 0; --c)
        cuts.push_back(Below(random, partitions));
      std::ranges::sort(cuts);
      std::vector<std::unique_ptr<Parts>> ranges;
      std::vector<TreePart> left;
      for (std::size_t k = 0; k + 1 < cuts.size(); ++k) {
        const SeatRange range{cuts[k], cuts[k + 1]};
        const TreeSum tree(Partitioning(partitions), range, Kernels(), 0);
        ranges.push_back(std::make_unique<Parts>(tree, leaves, range));
        std::vector<TreePart>& parts = ranges.back()->parts;
        parts.resize(tree.Reduce(parts));
        left.insert(left.end(), parts.begin(), parts.end());
      }
      for (std::size_t k = 1; k < left.size(); ++k)
        ASSERT_TRUE(whole.IsBefore(left[k - 1].node, left[k].node));
      ASSERT_EQ(whole.Reduce(left), 1U);
      ASSERT_EQ(*left[0].gradient, *SumOf(leaves, 0, partitions));
    }
  }
}

// Whoever sums by the plan while the parts are made has the same parts left, with the same bits.
TEST(TreeSum, ThePlanIsWhatReduceDoes) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    const std::uint32_t partitions = 1U << Below(random, 7);
    const std::uint32_t first = Below(random, partitions);
    const SeatRange range{first, first + 1 + Below(random, partitions - first)};
    const TreeSum tree(Partitioning(partitions), range, Kernels(), 0);
    const Leaves leaves = DrawLeaves(random, partitions);
    Parts reduced(tree, leaves, range);
    Parts planned(tree, leaves, range);
    std::vector<std::uint32_t> merges(planned.parts.size(), 99);
    const std::size_t left = tree.Plan(planned.parts, merges);
    ASSERT_EQ(left, tree.Reduce(reduced.parts));

    std::vector<float> stack;
    for (std::size_t k = 0; k < merges.size(); ++k) {
      float sum = planned.values[k];
      for (std::uint32_t merge = 0; merge < merges[k]; ++merge) {
        ASSERT_FALSE(stack.empty());
        sum = stack.back() + sum;
        stack.pop_back();
      }
      stack.push_back(sum);
    }
    ASSERT_EQ(stack.size(), left);
    for (std::size_t k = 0; k < left; ++k) {
      EXPECT_EQ(planned.parts[k].node, reduced.parts[k].node);
      EXPECT_EQ(stack[k], *reduced.parts[k].gradient);
    }
  }
}

// Fewer parts travel: a range leaves at most one part for each aligned subtree it consists of.
TEST(TreeSum, AnAlignedRangeLeavesOnePart) {
  Leaves leaves;
  for (std::uint32_t p = 0; p < 16; ++p) leaves[p] = static_cast<float>(p);
  const SeatRange aligned{8, 12};
  const TreeSum tree(Partitioning(16), aligned, Kernels(), 0);
  Parts parts(tree, leaves, aligned);
  ASSERT_EQ(tree.Reduce(parts.parts), 1U);
  EXPECT_EQ(parts.parts[0].node, 6) << "the node above leaves 8 to 11 of 16";
  EXPECT_EQ(*parts.parts[0].gradient, 8 + 9 + 10 + 11);

  const SeatRange crooked{3, 9};  // 3 | 4 to 7 | 8
  const TreeSum other(Partitioning(16), crooked, Kernels(), 0);
  Parts three(other, leaves, crooked);
  ASSERT_EQ(other.Reduce(three.parts), 3U);
  EXPECT_EQ(three.parts[0].node, 16 + 3);
  EXPECT_EQ(three.parts[1].node, 5);
  EXPECT_EQ(three.parts[2].node, 16 + 8);
}

// A sum within a range must wait where an absent leaf outside of it could still come between.
TEST(TreeSum, DoesNotSumAcrossWhatOthersMayHave) {
  const Leaves leaves = {{1, 1.0F}, {2, 2.0F}};
  const SeatRange range{1, 3};
  const TreeSum tree(Partitioning(4), range, Kernels(), 0);
  Parts parts(tree, leaves, range);
  EXPECT_EQ(tree.Reduce(parts.parts), 2U) << "leaves 0 and 3 are somebody else's";
}

TEST(TreeSum, SumsVectorsAndTheirBiases) {
  const TreeSum tree(Partitioning(2), {0, 2}, Kernels(), 16);
  std::vector<float> left(17, 1.0F);
  std::vector<float> right(17, 2.0F);
  right[16] = 5.0F;
  std::vector<TreePart> parts = {{tree.Leaf(0), left.data()}, {tree.Leaf(1), right.data()}};
  ASSERT_EQ(tree.Reduce(parts), 1U);
  EXPECT_EQ(parts[0].node, 1) << "the root";
  EXPECT_EQ(parts[0].gradient[0], 3.0F);
  EXPECT_EQ(parts[0].gradient[16], 6.0F);
}

TEST(TreeSum, KnowsItsNodes) {
  const TreeSum tree(Partitioning(4), {0, 4}, Kernels(), 0);
  EXPECT_FALSE(tree.IsNode(0));
  EXPECT_TRUE(tree.IsNode(1));
  EXPECT_TRUE(tree.IsNode(7));
  EXPECT_FALSE(tree.IsNode(8));
  EXPECT_TRUE(tree.IsBefore(4, 5));
  EXPECT_TRUE(tree.IsBefore(2, 6));
  EXPECT_FALSE(tree.IsBefore(2, 5)) << "the second holds a leaf of the first";
  EXPECT_FALSE(tree.IsBefore(5, 4));
}

}  // namespace
}  // namespace cf::tree_sum_test
