#pragma once

#include <cstdint>
#include <span>

#include <absl/status/status.h>

#include "common/base/partition.h"
#include "common/model/tables.h"
#include "paramserver/row_store.h"

namespace cf {

/// What the rows of a new model start as.
struct InitialValues {
  std::uint64_t seed = 0;
  float optimizer_state = 0;  ///< OptimizerRule::initial_state.
};

/// Gives every row of a partition its initial values, a function of (seed, table, id). The store's
/// error if it has no room.
absl::Status InitializeRows(const std::vector<TableSpec>& tables, Partitioning partitioning,
                            PartitionId partition, const InitialValues& values, RowStore& store);

/// Gives the partition's rows of `table` these biases, by id. Requires: the table has biases.
absl::Status SetBiases(const TableSpec& spec, TableId table, Partitioning partitioning,
                       PartitionId partition, std::span<const float> biases, RowStore& store);

}  // namespace cf
