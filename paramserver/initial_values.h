#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

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

/// Whose rows a baseline is set in: users have the constant in the first number of their vectors and
/// the bias in the second, items the other way round.
enum class BaselineSide : std::uint8_t { kUser, kItem };

/// The rows of a new model: of each its initial values, a function of (seed, table, id), and what the
/// training samples decide of it.
///
/// Owner:   Member.
/// Threads: any; constant once it is set up.
/// Bounds:  a number for each row whose bias is set.
class InitialRows : public RowMaker {
 public:
  InitialRows(std::vector<TableSpec> tables, InitialValues values);

  /// Gives the rows of `table` these biases, by id. Requires: the table has biases.
  void SetBiases(TableId table, std::vector<float> biases);

  /// Gives the rows of `table` these biases, by id, for the most part in the bias and the rest in the
  /// vector, whose first two numbers are replaced: one side's vectors have a constant where the other's
  /// have the bias, so that the sum of a user and an item is that of their biases, and what an item's
  /// bias is to each user can be learned from the first step on (docs/arithmetic.md#baseline). Requires: the table has biases.
  void SetBaseline(TableId table, BaselineSide side, std::vector<float> biases);

  void Make(TableId table, RowId id, std::span<float> row) const override;

 private:
  struct Biases {
    std::vector<float> of_row;           // By id; empty where they are the initial values.
    std::optional<BaselineSide> side{};  // Where they are a baseline's.
  };

  const std::vector<TableSpec> tables_;
  const InitialValues values_;
  std::vector<Biases> biases_;  // By table.
};

/// Writes every row of a partition as it is made. The store's error if it cannot have the rows in
/// memory.
absl::Status InitializeRows(const std::vector<TableSpec>& tables, Partitioning partitioning,
                            PartitionId partition, const RowMaker& maker, RowStore& store);

}  // namespace cf
