#include "common/rows/tree_sum.h"

#include <algorithm>
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

template <class Add>
std::size_t TreeSum::Walk(std::span<TreePart> parts, Add add) const {
  // A stack, in the front of `parts`: heights between neighbours fall from its bottom to its top,
  // except where the range forbids a sum.
  std::size_t depth = 0;
  const auto add_top_two = [&](std::uint32_t height, std::size_t newest) {
    TreePart& left = parts[depth - 2];
    add(left, parts[depth - 1], newest);
    left.node = static_cast<TreeNode>((FirstLeaf(left.node) + leaves_) >> height);
    --depth;
  };
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const TreePart part = parts[k];
    while (depth >= 2) {
      const std::uint32_t height = HeightAbove(parts[depth - 2].node, parts[depth - 1].node);
      if (height >= HeightAbove(parts[depth - 1].node, part.node)) break;
      if (!Holds(parts[depth - 1].node, height)) break;
      add_top_two(height, k - 1);
    }
    parts[depth++] = part;
  }
  while (depth >= 2) {
    const std::uint32_t height = HeightAbove(parts[depth - 2].node, parts[depth - 1].node);
    if (!Holds(parts[depth - 1].node, height)) break;
    add_top_two(height, parts.size() - 1);
  }
  return depth;
}

std::size_t TreeSum::Reduce(std::span<TreePart> parts) const {
  return Walk(parts, [this](const TreePart& left, const TreePart& right, std::size_t) {
    kernels_->add_gradient(left.gradient, right.gradient, padded_dim_);
  });
}

std::size_t TreeSum::Plan(std::span<TreePart> parts, std::span<std::uint32_t> merges) const {
  std::ranges::fill(merges, 0);
  return Walk(parts,
              [merges](const TreePart&, const TreePart&, std::size_t newest) { ++merges[newest]; });
}

}  // namespace cf
