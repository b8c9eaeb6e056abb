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
/// error if it cannot have the rows in memory.
absl::Status InitializeRows(const std::vector<TableSpec>& tables, Partitioning partitioning,
                            PartitionId partition, const InitialValues& values, RowStore& store);

/// Gives the partition's rows of `table` these biases, by id. Requires: the table has biases.
absl::Status SetBiases(const TableSpec& spec, TableId table, Partitioning partitioning,
                       PartitionId partition, std::span<const float> biases, RowStore& store);

/// Whose rows a baseline is set in: users have the constant in the first number of their vectors and
/// the bias in the second, items the other way round.
enum class BaselineSide : std::uint8_t { kUser, kItem };

/// Gives the partition's rows of `table`, which have their initial values, these biases, by id, for
/// the most part in the bias and the rest in the vector, whose first two numbers are replaced: one
/// side's vectors have a constant where the other's have the bias, so that the sum of a user and an
/// item is that of their biases, and what an item's bias is to each user can be learned from the first
/// step on (docs/arithmetic.md#baseline).
/// Requires: the table has biases.
absl::Status SetBaseline(const TableSpec& spec, TableId table, BaselineSide side,
                         Partitioning partitioning, PartitionId partition,
                         std::span<const float> biases, RowStore& store);

}  // namespace cf
