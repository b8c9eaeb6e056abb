#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "common/kernels/dot_bounds.h"
#include "serving/weight_table.h"

namespace cf {

/// Says which items can have a raw sum above a threshold, for models whose raw sum is a dot product
/// with biases and the mean: bounds from bytes, a quarter of the memory and a fraction of the
/// arithmetic. What it lets through has its sum computed; what it holds back has one that is not
/// above the threshold to the last bit, whatever the weights are, so that lists are what they were.
///
/// Owner:      Recommender; the table outlives it.
/// Threads:    any, which have called SetFloatMode().
/// Bounds:     a byte for each number of an item's padded vector and 16 bytes an item.
/// Invariants: a tile is made once, by the first who adds it.
class ItemSieve {
 public:
  static constexpr std::uint32_t kTile = 128;  ///< Items that are looked at together.

  /// Which rows of a tile, by bits.
  using Rows = std::array<std::uint64_t, kTile / 64>;

  /// A user as bytes.
  class Query {
   private:
    friend class ItemSieve;
    std::vector<std::int8_t> codes_;
    BoundQuery bounds_;    // But for the limit,
    double constant_ = 0;  // which is a threshold less what is the same for all items,
    double slack_ = 0;     // less what rounding makes of that.
  };

  /// Memory of one for so many items whose vectors have `dim` numbers.
  static std::uint64_t BytesFor(std::uint32_t items, std::uint32_t dim);

  /// Without tiles. `mean` is what is added to every raw sum.
  ItemSieve(const WeightTable& items, float mean, const KernelSet& kernels);

  /// Nothing where the numbers are too large or too small for bounds to be sure.
  std::optional<Query> QueryOf(const float* vector, float bias) const;

  /// Whether the tile of the items from `first`, a multiple of kTile, is there; and makes it, unless
  /// somebody else has begun to. Costs as much as to score it for some users.
  bool Has(std::uint32_t first) const;
  void Add(std::uint32_t first);

  /// Among the items of the tile those whose raw sum may be above `threshold`.
  /// Requires: Has(first); the threshold is finite.
  Rows Above(const Query& query, std::uint32_t first, float threshold) const;

 private:
  enum class State : std::uint8_t { kNone, kBegun, kThere };
  struct Free {
    void operator()(std::uint8_t* bytes) const;
  };

  void AddItem(std::uint32_t item, std::vector<std::int8_t>& codes);

  const WeightTable* items_;
  const double mean_;
  const std::size_t columns_;
  const RowsAboveKernel above_;
  // The tiles, each filled by whoever moves its state from kNone; read from kThere on.
  std::unique_ptr<std::uint8_t[], Free> bytes_;
  std::unique_ptr<RowBounds[]> rows_;
  std::unique_ptr<std::atomic<State>[]> states_;
};

}  // namespace cf
