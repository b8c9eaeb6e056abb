#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/rows/id_index.h"
#include "common/rows/row_client.h"

namespace cf {

/// The rows of one table that a seat's share of a minibatch touches, each once, and the parts of
/// their gradients: one for each partition that touches the row, since a row's gradient is summed
/// within a partition in the order of the samples and across partitions along the tree.
///
/// Owner:   Minibatch.
/// Threads: the seat's compute thread.
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

  /// Adds row `id`, which is not there yet, with `count` parts side by side that no partition has.
  void AddRow(RowId id, std::uint32_t count) {
    const auto row = static_cast<std::uint32_t>(rows_.size());
    const auto first = static_cast<std::uint32_t>(parts_.size());
    rows_.push_back({id, first, first + count - 1});
    for (std::uint32_t part = first; part < first + count; ++part) {
      parts_.push_back({.row = row, .next = part + 1 < first + count ? part + 1 : kNone});
    }
  }

  std::span<const Row> rows() const { return rows_; }
  std::span<const Part> parts() const { return parts_; }

 private:
  std::vector<Row> rows_;
  std::vector<Part> parts_;
};

/// The rows of a feature's table that a minibatch has. A sample has one; a user or an item has a
/// list. Whose lists have a row is known by row, so that a batch goes over the table once and not
/// over every list. The parts of users or items are the entries: in the order in which they came, so
/// that a partition's are adjacent.
struct FeatureLinks {
  std::vector<TableBatch::Touched> samples;  ///< By sample: its part of the table.

  std::vector<std::uint32_t>
      row_ends;  ///< By row of the batch, ascending ids: where its entries end,
  std::vector<std::uint32_t> entries;  ///< row after row,
  std::vector<std::uint8_t> leaves;    ///< and by entry its partition, within a subtree of them.
  std::vector<std::uint32_t> subtree_ends;  ///< By subtree of partitions: where its entries end.

  void Clear() {
    samples.clear();
    row_ends.clear();
    leaves.clear();
    subtree_ends.clear();
  }
};

/// The items of a global batch, each once, by id, and how many of the batch's samples have it: what
/// a softmax over the batch chooses among.
struct Candidates {
  std::vector<RowId> items;
  std::vector<std::uint32_t> counts;
};

/// A seat's share of a global batch: which rows its samples want, and once these have come, where
/// they are. Whatever is by partition is by the partitions of the seat's range.
///
/// Owner:   Trainer.
/// Threads: the seat's compute thread.
/// Bounds:  the samples of the largest batch so far and their rows.
/// Invariants: a partition's samples are adjacent, and so are the parts of every table that it has.
struct Minibatch {
  struct Table {
    TableBatch batch;
    std::vector<const float*> part_rows;  ///< By part: the weights of its row.
  };

  Minibatch(BatchRows wanted, std::size_t table_count)
      : rows(std::move(wanted)), tables(table_count) {}

  BatchRows rows;
  std::vector<Table> tables;                ///< By TableId.
  std::vector<PairSample> samples;          ///< Partition after partition,
  std::vector<std::size_t> samples_end;     ///< by partition, where they end,
  std::vector<std::size_t> user_parts_end;  ///< where the parts of their users do,
  std::vector<std::size_t> item_parts_end;  ///< where those of their items do,
  std::vector<std::uint64_t> positions;     ///< and which of the epoch's the first of them is.
  std::uint64_t number = 0;                 ///< Of the epoch's batches.
  Candidates candidates;                    ///< Of retrieval: in every partition's parts of items.
  std::vector<FeatureLinks> features;       ///< By feature of the model.
};

}  // namespace cf
