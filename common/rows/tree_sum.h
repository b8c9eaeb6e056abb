#pragma once

#include <cstddef>
#include <span>

#include "common/base/partition.h"
#include "common/kernels/kernels.h"

namespace cf {

/// A partial sum of one row's gradient: a node of the tree over the partitions, and the floats of
/// the sum (a padded vector and a bias), which may be overwritten.
struct TreePart {
  TreeNode node = 0;
  float* gradient = nullptr;
};

/// Sums partial gradients along the one tree over P partitions that fixes the bits: a node is the
/// sum of its two halves, and where a half is absent the other passes through. Whoever holds all of
/// the leaves of a range may sum the nodes inside it and leave the rest to the row's owner, who
/// holds everything: the outcome is the same.
///
/// Owner:   a value.
/// Threads: any; constant.
class TreeSum {
 public:
  /// `range`: the partitions all of whose parts the caller has.
  TreeSum(Partitioning partitioning, SeatRange range, const KernelSet& kernels,
          std::size_t padded_dim);

  /// Adds up, in place, what lies under one node within the range. Returns how many parts remain,
  /// which are moved to the front, each with the node that it is the sum of. Requires: ascending,
  /// disjoint nodes.
  std::size_t Reduce(std::span<TreePart> parts) const;

  /// What Reduce would do, for whoever adds up while the parts are made; gradients are not looked
  /// at. Once part k is there, the newest part is merges[k] times added to the one before it.
  /// Returns how many parts remain, which are moved to the front, each with its node. Requires: as
  /// Reduce; as many merges as parts.
  std::size_t Plan(std::span<TreePart> parts, std::span<std::uint32_t> merges) const;

  /// The node of a leaf.
  TreeNode Leaf(std::uint32_t partition) const {
    return static_cast<TreeNode>(leaves_ + partition);
  }

  /// Whether `node` exists, and whether it lies wholly before `other`: what a message from a peer
  /// must keep.
  bool IsNode(TreeNode node) const { return node >= 1 && node < 2 * leaves_; }
  bool IsBefore(TreeNode node, TreeNode other) const { return LastLeaf(node) < FirstLeaf(other); }

 private:
  // Calls `add(left, right, k)` for every sum: left becomes it, and part k is the last of those
  // that are there.
  template <class Add>
  std::size_t Walk(std::span<TreePart> parts, Add add) const;
  std::uint32_t Depth(TreeNode node) const;
  std::uint32_t FirstLeaf(TreeNode node) const;
  std::uint32_t LastLeaf(TreeNode node) const;
  // The height of the lowest node above both.
  std::uint32_t HeightAbove(TreeNode a, TreeNode b) const;
  bool Holds(TreeNode a, std::uint32_t height) const;

  std::uint32_t leaves_;
  std::uint32_t levels_;
  SeatRange range_;
  const KernelSet* kernels_;
  std::size_t padded_dim_;
};

}  // namespace cf
