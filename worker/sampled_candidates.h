#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/dataset/dataset.h"

namespace cf {

/// Whom sampled metrics rank the positives of a user among (docs/metrics.md): items drawn without
/// replacement from those that the user has no sample of, and the positives themselves.
///
/// Owner:   Evaluator, one for each number of items that a metric asks for.
/// Threads: the seat's compute thread.
/// Bounds:  the drawn items and the positives of the users of a slice; a bit for each item.
/// Invariants: what is drawn for a user is a function of the data set and the number of items: the
///          same in every epoch, for any seed, partitions and seats.
class SampledCandidates {
 public:
  /// `data` is borrowed.
  SampledCandidates(const Dataset& data, std::uint32_t sampled);

  std::uint32_t sampled() const { return sampled_; }

  /// Begins a slice: users are counted from 0 again.
  void Clear();

  /// Draws for the next user; all items that the user has no sample of where they are fewer.
  /// `positives`, ascending, are the user's items that are ranked.
  void Add(RowId user, std::span<const RowId> positives);

  /// The scores of the candidates of user `u` of the slice among the items from `first_item` on,
  /// which score `scores`. They hold until the next call. Requires: every user's blocks ascend and
  /// leave no item out.
  std::span<const float> Take(std::uint32_t u, std::uint32_t first_item,
                              std::span<const float> scores);

 private:
  struct User {
    std::size_t next = 0;  // The first of its candidates that is not below the block,
    std::size_t last = 0;  // and one past them.
  };

  const Dataset& data_;
  const std::uint32_t sampled_;
  std::vector<RowId> candidates_;  // User after user, ascending.
  std::vector<User> users_;

  // Scratch.
  std::vector<bool> drawn_;  // By item; false between users.
  std::vector<std::uint32_t> ranks_;
  std::vector<RowId> others_;
  std::vector<float> scores_;
};

}  // namespace cf
