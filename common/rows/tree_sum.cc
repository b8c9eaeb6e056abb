#include "common/rows/tree_sum.h"

#include <bit>

namespace cf {

TreeSum::TreeSum(Partitioning partitioning, SeatRange range, const KernelSet& kernels,
                 std::size_t padded_dim)
    : leaves_(partitioning.count()),
      levels_(static_cast<std::uint32_t>(std::countr_zero(partitioning.count()))),
      range_(range),
      kernels_(&kernels),
      padded_dim_(padded_dim) {
}

std::uint32_t TreeSum::Depth(TreeNode node) const {
  return static_cast<std::uint32_t>(std::bit_width(node)) - 1;
}

std::uint32_t TreeSum::FirstLeaf(TreeNode node) const {
  return (static_cast<std::uint32_t>(node) << (levels_ - Depth(node))) - leaves_;
}

std::uint32_t TreeSum::LastLeaf(TreeNode node) const {
  return FirstLeaf(node) + (1U << (levels_ - Depth(node))) - 1;
}

std::uint32_t TreeSum::HeightAbove(TreeNode a, TreeNode b) const {
  return static_cast<std::uint32_t>(std::bit_width(FirstLeaf(a) ^ FirstLeaf(b)));
}

bool TreeSum::Holds(TreeNode a, std::uint32_t height) const {
  const std::uint32_t first = FirstLeaf(a) >> height << height;
  return first >= range_.first && first + (1U << height) <= range_.last;
}

std::size_t TreeSum::Reduce(std::span<TreePart> parts) const {
  // A stack, in the front of `parts`: heights between neighbours fall from its bottom to its top,
  // except where the range forbids a sum.
  std::size_t depth = 0;
  const auto add_top_two = [&](std::uint32_t height) {
    TreePart& left = parts[depth - 2];
    kernels_->add_gradient(left.gradient, parts[depth - 1].gradient, padded_dim_);
    left.node = static_cast<TreeNode>((FirstLeaf(left.node) + leaves_) >> height);
    --depth;
  };
  for (const TreePart& part : parts) {
    while (depth >= 2) {
      const std::uint32_t height = HeightAbove(parts[depth - 2].node, parts[depth - 1].node);
      if (height >= HeightAbove(parts[depth - 1].node, part.node)) break;
      if (!Holds(parts[depth - 1].node, height)) break;
      add_top_two(height);
    }
    parts[depth++] = part;
  }
  while (depth >= 2) {
    const std::uint32_t height = HeightAbove(parts[depth - 2].node, parts[depth - 1].node);
    if (!Holds(parts[depth - 1].node, height)) break;
    add_top_two(height);
  }
  return depth;
}

}  // namespace cf
