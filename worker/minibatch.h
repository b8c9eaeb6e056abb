#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"

namespace cf {

/// Finds, for each id of a table, its place in the minibatch that is being made.
///
/// Owner:   Trainer, one a table. Threads: the seat's compute thread.
/// Bounds:  8 bytes for each key, few because they are visited at random.
class BatchIndex {
 public:
  explicit BatchIndex(std::size_t keys) : places_(keys) {}

  /// Asks for the place of `key` ahead of time.
  void Prefetch(std::size_t key) const { __builtin_prefetch(&places_[key], 1); }

 private:
  friend class TableBatch;
  // Valid only for the batch and the partition in its stamp, so that nothing is cleared between
  // batches.
  struct Place {
    std::uint32_t stamp = 0;  // The batch's first stamp + partition.
    std::uint32_t part = 0;
  };

  // Begins a batch, whose stamps are above all earlier ones; they start anew every 2^18 batches.
  void Begin() {
    first_stamp_ += kPartitionsMax;
    if (first_stamp_ != 0) return;
    std::ranges::fill(places_, Place());
    first_stamp_ = kPartitionsMax;
  }

  std::vector<Place> places_;
  std::uint32_t first_stamp_ = 0;
};

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
  void Clear(BatchIndex& index) {
    index.Begin();
    rows_.clear();
    parts_.clear();
  }

  /// The part of row `id` in `partition`, whose place in the index is `key`.
  /// Requires: partitions ascend within a batch.
  Touched Touch(BatchIndex& index, std::size_t key, RowId id, std::uint32_t partition) {
    BatchIndex::Place& place = index.places_[key];
    const std::uint32_t stamp = index.first_stamp_ + partition;
    if (place.stamp == stamp) return {place.part, false};
    const auto part = static_cast<std::uint32_t>(parts_.size());
    auto row = static_cast<std::uint32_t>(rows_.size());
    if (place.stamp < index.first_stamp_) {
      rows_.push_back({id, part, part});
    } else {
      row = parts_[place.part].row;
      parts_[rows_[row].last_part].next = part;
      rows_[row].last_part = part;
    }
    parts_.push_back({row, kNone, partition});
    place = {stamp, part};
    return {part, true};
  }

  std::span<const Row> rows() const { return rows_; }
  std::span<const Part> parts() const { return parts_; }

 private:
  std::vector<Row> rows_;
  std::vector<Part> parts_;
};

}  // namespace cf
