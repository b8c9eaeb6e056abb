#pragma once

#include <cstdint>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/model/tables.h"
#include "common/snapshot/partition_writer.h"
#include "common/snapshot/snapshot.h"
#include "paramserver/row_store.h"
#include "paramserver/slab_store.h"

namespace cf {

/// FailedPrecondition where the tables of a snapshot are not these. Requires: it has as many
/// partitions as the job.
absl::Status CheckShapes(const std::vector<TableSpec>& tables, const Snapshot& snapshot);

/// Takes every row of a partition from a snapshot with these tables; all of them are clean then.
/// Errors are Snapshot's and the store's.
absl::Status LoadRows(const std::vector<TableSpec>& tables, const Snapshot& snapshot,
                      PartitionId partition, RowStore& store);

/// The same for a store whose rows have been in `state`, that of the snapshot: only those are taken
/// that may have changed since. Returns how many. After an error what has to be taken is still known.
absl::StatusOr<std::uint64_t> RestoreRows(const std::vector<TableSpec>& tables,
                                          const Snapshot& snapshot, PartitionId partition,
                                          Filed state, SlabStore& store);

/// Writes the rows of a partition, or only those that are not clean. Whoever finishes the file says
/// so to the store (RowStore::MarkWritten).
absl::Status WriteRows(const std::vector<TableSpec>& tables, PartitionId partition,
                       RowStore::Which which, RowStore& store, PartitionWriter& writer);

}  // namespace cf
