#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/model/row_optimizer.h"
#include "common/model/tables.h"
#include "paramserver/frozen_rows.h"
#include "paramserver/row_store.h"

namespace cf {

/// What is looked through: the rows of a store as they are after a number of global steps.
struct ScannedRows {
  const std::vector<TableSpec>& tables;
  RowStore& store;
  RowOptimizer& optimizer;
  std::uint64_t steps = 0;
};

/// lambda * sum(w^2) over the rows of `table` in `partition`, in the order of ids, in double. A table
/// without a lambda is not read.
absl::StatusOr<double> L2Penalty(const ScannedRows& rows, TableId table, PartitionId partition);

/// The first row of `table` in `partition`, or of those that are not clean, with a weight or a
/// number of its optimizer's state that is infinite or not a number.
absl::StatusOr<std::optional<RowId>> FirstNotFinite(const ScannedRows& rows, TableId table,
                                                    PartitionId partition, RowStore::Which which);

/// By table: the first of the rows that are not finite.
using NotFiniteRows = std::vector<std::optional<RowId>>;

/// Copies every row of `partition`, or those that are not clean, to `copies`, and in the same pass
/// looks for those that are not finite, as FirstNotFinite: `found` keeps the smallest id of each table.
/// False where memory for copies ran out; `found` then knows of the rows so far.
absl::StatusOr<bool> FreezeRows(const ScannedRows& rows, PartitionId partition,
                                RowStore::Which which, FrozenRows& copies, NotFiniteRows& found);

}  // namespace cf
