#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/rows/id_index.h"

namespace cf {

/// The rows of one table that a seat's share of a minibatch touches, each once, and the parts of
/// their gradients: one for each partition that touches the row, since a row's gradient is summed
/// within a partition in the order of the samples and across partitions along the tree.
///
/// Owner:   Minibatch. Threads: the seat's compute thread.
/// Bounds:  the samples of a batch.
class TableBatch {
 public:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  struct Row {
    RowId id{};
    std::uint32_t first_part = kNone;
    std::uint32_t last_part = kNone;
  };
  struct Part {
    std::uint32_t row = 0;
    std::uint32_t next = kNone;  ///< The same row's part in a later partition.
    std::uint32_t partition = 0;
  };
  struct Touched {
    std::uint32_t part = 0;
    bool is_first = false;  ///< Of the part.
  };

  /// Begins a batch.
  void Clear(IdIndex& index) {
    index.Begin();
    rows_.clear();
    parts_.clear();
  }

  /// The part of row `id` in `partition`. Requires: partitions ascend within a batch.
  Touched Touch(IdIndex& index, RowId id, std::uint32_t partition) {
    IdIndex::Place& place = index.Find(id);
    const std::uint32_t stamp = index.StampOf(partition);
    if (place.stamp == stamp) return {place.number, false};
    const auto part = static_cast<std::uint32_t>(parts_.size());
    if (index.IsFree(place)) {
      parts_.push_back({static_cast<std::uint32_t>(rows_.size()), kNone, partition});
      rows_.push_back({id, part, part});
      index.Take(place, {.id = id, .stamp = stamp, .number = part});
      return {part, true};
    }
    const std::uint32_t row = parts_[place.number].row;
    parts_[rows_[row].last_part].next = part;
    rows_[row].last_part = part;
    parts_.push_back({row, kNone, partition});
    place.stamp = stamp;
    place.number = part;
    return {part, true};
  }

  std::span<const Row> rows() const { return rows_; }
  std::span<const Part> parts() const { return parts_; }

 private:
  std::vector<Row> rows_;
  std::vector<Part> parts_;
};

}  // namespace cf
