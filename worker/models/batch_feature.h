#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/partition.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/kernels/list_sums.h"
#include "common/model/layout.h"
#include "common/rows/row_copies.h"
#include "common/rows/row_host.h"
#include "common/rows/tree_sum.h"
#include "worker/minibatch.h"

namespace cf {

/// One feature of users or of items on its way through minibatches: the rows of each entry's list
/// become its vector, a weighted sum, and the gradient of that vector becomes theirs
/// (docs/arithmetic.md). A batch has many entries with long lists and most of the table, so both
/// sums go by row: over whom the batch has that has the row.
///
/// Owner:   StepFeatures.
/// Threads: the seat's compute thread.
/// Bounds:  4 bytes for each row of the feature's table; two vectors for each entry of a batch.
class BatchFeature {
 public:
  struct Options {
    const FeatureLists* lists = nullptr;  ///< Borrowed, as are the kernels.
    RowLayout layout;                     ///< Of the feature's table.
    const KernelSet* kernels = nullptr;
    Partitioning partitioning;
    SeatRange range;
  };
  explicit BatchFeature(const Options& options);

  FeatureSide side() const { return options_.lists->side(); }

  /// Ends a batch whose users or items are `entries`: adds to it the rows that these have, and who has
  /// them.
  void EndBatch(const TableBatch& entries, TableBatch& rows, FeatureLinks& links);

  /// Composes the vector of each entry of a batch whose rows have come. `rows` is by row.
  void Compose(const TableBatch& entries, const FeatureLinks& links,
               std::span<const float* const> rows);
  /// The vector and bias of an entry, of zeros where it has no rows, which may be overwritten. Until
  /// the next Compose.
  float* VectorOf(std::size_t entry) { return vectors_.row(entry); }

  /// Takes the gradients of the vectors of the entries `first` to `last` - 1, of the batch that was
  /// composed last.
  void Take(std::size_t first, std::size_t last, const float* entry_gradients,
            std::size_t entry_stride);

  /// Hands over the gradients of rows number `places[k]` of the batch, once all entries' are taken.
  /// `gradients`: their memory, by part of the table.
  void Collect(const TableBatch& rows, const FeatureLinks& links,
               std::span<const std::uint32_t> places, float* gradients, OwnPartials& into);

 private:
  /// Partitions of the seat whose sum is one node of the tree.
  struct Subtree {
    std::uint32_t end = 0;  // One past its last partition.
    std::uint32_t leaves = 0;
    TreeNode node = 0;
  };
  // Calls `visit(entry, row)` for each row of each list of lists_.
  template <class Visit>
  void ForLists(const Visit& visit);
  static std::vector<Subtree> SubtreesOf(Partitioning partitioning, SeatRange range);

  const Options options_;
  const ListSumKernels& kernels_;
  const std::vector<Subtree> subtrees_;  // Ascending.
  const TreeSum tree_;

  // Of the batch that was composed last, by entry.
  std::vector<float> weights_;
  RowCopies vectors_;
  RowCopies gradients_;  // What an entry gives each of its rows.

  // Scratch.
  std::vector<std::span<const RowId>> lists_;  // By entry of the batch that ends.
  // By row of the table: how many of these have it, then where the next of them goes. 0 in between.
  std::vector<std::uint32_t> of_row_;
  std::vector<float> leaves_;
  std::vector<EntrySum> sums_;
  std::vector<TreePart> nodes_;         // By sum,
  std::vector<std::size_t> node_ends_;  // and by place, where those of its row end.
};

}  // namespace cf
