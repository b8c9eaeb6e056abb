#include "paramserver/row_files.h"

#include <cstdint>
#include <span>

#include <absl/strings/str_cat.h>

#include "common/model/layout.h"
#include "common/snapshot/manifest.h"

namespace cf {

absl::Status CheckShapes(const std::vector<TableSpec>& tables, const Snapshot& snapshot) {
  const Manifest& manifest = snapshot.manifest();
  for (int t = 0; t < static_cast<int>(tables.size()); ++t) {
    const TableShape& shape = tables[static_cast<std::size_t>(t)].shape;
    const bool known = t < manifest.tables_size();
    if (!known || manifest.tables(t).rows() != shape.rows ||
        RecordFloats(manifest.tables(t)) != RowLayout(shape).record_floats()) {
      return absl::FailedPreconditionError(
          absl::StrCat("snapshot ", manifest.name(), " has another shape of table ", shape.name));
    }
  }
  return absl::OkStatus();
}

absl::Status LoadRows(const std::vector<TableSpec>& tables, const Snapshot& snapshot,
                      PartitionId partition, RowStore& store) {
  const std::vector<RowLayout> layouts = LayoutsOf(tables);
  absl::Status read = snapshot.ReadPartition(
      partition, [&](TableId table, RowId id, std::span<const float> record) {
        float* row = nullptr;
        absl::Status pinned = store.Pin(table, {&id, 1}, RowStore::Access::kUpdate, {&row, 1});
        if (!pinned.ok()) return pinned;
        layouts[Index(table)].FromRecord(record.data(), row);
        store.Release(table, {&id, 1});
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  store.MarkWritten(partition);
  store.Commit(partition);
  return absl::OkStatus();
}

absl::Status WriteRows(const std::vector<TableSpec>& tables, PartitionId partition,
                       RowStore::Which which, RowStore& store, PartitionWriter& writer) {
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    const RowLayout layout(tables[t].shape);
    std::vector<float> record(layout.record_floats());
    absl::Status written =
        store.Visit(TableId{t}, partition, which, [&](RowId id, std::span<const float> row) {
          layout.ToRecord(row.data(), record.data());
          return writer.Add(TableId{t}, id, record);
        });
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace cf
