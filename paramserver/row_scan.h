#pragma once

#include <optional>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/model/tables.h"
#include "paramserver/row_store.h"

namespace cf {

/// lambda * sum(w^2) over all rows of `partition`, in the order of tables and ids, in double.
/// Tables without a lambda are not read.
absl::StatusOr<double> L2Penalty(const std::vector<TableSpec>& tables, PartitionId partition,
                                 RowStore& store);

/// The first row of `table` in the partitions of `range`, or of those that are not clean, with a
/// weight or a number of its optimizer's state that is infinite or not a number.
absl::StatusOr<std::optional<RowId>> FirstNotFinite(TableId table, SeatRange range,
                                                    RowStore::Which which, RowStore& store);

}  // namespace cf
