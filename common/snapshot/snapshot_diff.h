#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/snapshot/snapshot.h"

namespace cf {

/// One part of a table's records in two snapshots: their weights, or one of the optimizer's moments.
/// Norms are Euclidean, over all numbers of the part: vectors and biases.
struct PartDifference {
  std::uint64_t rows_changed = 0;  ///< By any bit.
  double norm_a = 0;
  double norm_b = 0;
  double norm_of_difference = 0;
};

/// One row's weights, vector and bias together, in two snapshots.
struct RowChange {
  RowId id{};
  double norm_a = 0;
  double norm_b = 0;
  double norm_of_difference = 0;
};

struct TableDifference {
  std::string name;
  std::uint64_t rows = 0;
  std::uint64_t rows_changed = 0;  ///< By any bit of weights or optimizer state.
  PartDifference weights;
  std::vector<PartDifference> moments;
  bool last_steps = false;               ///< Whether records have one,
  std::uint64_t last_steps_changed = 0;  ///< and of how many it moved.
  /// The longest difference of weights first, ties by id; one that is no number is the longest.
  std::vector<RowChange> largest_changes;
};

/// What changed from one snapshot to the other, by table. Partition after partition is read of both,
/// so that neither is ever in memory: a call holds one read-ahead buffer and one block for each file
/// of one partition, and `largest_max` changes for each table. InvalidArgument, in one line: they
/// have different tables, partitions or data sets. Else errors are ReadPartition's.
absl::StatusOr<std::vector<TableDifference>> DifferenceOf(const Snapshot& a, const Snapshot& b,
                                                          std::size_t largest_max);

}  // namespace cf
