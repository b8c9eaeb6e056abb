#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/model/layout.h"
#include "common/model/tables.h"
#include "worker/row_reader.h"

namespace cf {

/// What a model makes of users and items: the numbers that evaluation ranks by. Users come in
/// slices and items in blocks, so that what belongs to one of them is computed once for all pairs.
///
/// Owner:   Evaluator. Threads: the seat's compute thread.
/// Bounds:  what it makes of a slice and a block; the rows themselves are borrowed.
/// Invariants: a score has the same bits whatever else is in the slice and the block, so that equal
/// pairs tie.
class ItemScorer {
 public:
  virtual ~ItemScorer() = default;

  /// How many dense layers the model has, and the row of one of them. All are set before users and
  /// items are.
  virtual std::size_t layers() const { return 0; }
  virtual void SetLayer(std::size_t l, const float* row) = 0;

  /// The slice and the block from now on: rows.row(k) is that of ids[k] until the next call.
  virtual void SetUsers(std::span<const RowId> ids, const RowBlock& rows) = 0;
  virtual void SetItems(std::span<const RowId> ids, const RowBlock& rows) = 0;

  /// scores[k] = the score that user number `user` of the slice gives item number first + k of the
  /// block.
  virtual void Score(std::size_t user, std::size_t first, std::span<float> scores) = 0;

  /// The vector of an item of the block, which distances between items are taken from, and its
  /// length: the final vector where the score is a dot product, else that of the item's row.
  virtual const float* ItemVector(std::size_t item) const = 0;
  virtual std::size_t vector_dim() const = 0;
};

/// The scorer of a ranker, or of towers with layers, if there are any; else of a model whose score
/// is the dot product of the vectors plus the item's bias. What the model adds to it or wraps
/// around it is the same for all items of a user and keeps their order. `kernels` are borrowed.
std::unique_ptr<ItemScorer> MakeItemScorer(const std::optional<RankerShape>& ranker,
                                           const std::optional<TowerShapes>& towers,
                                           const RowLayout& items, const KernelSet& kernels);

}  // namespace cf
