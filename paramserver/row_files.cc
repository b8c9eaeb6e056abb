#include "paramserver/row_files.h"

#include <cstdint>
#include <optional>
#include <span>

#include <absl/strings/str_cat.h>

#include "common/base/partition.h"
#include "common/model/layout.h"
#include "common/snapshot/manifest.h"

namespace cf {
namespace {

/// The partition's rows of one table after another, pinned while they are filled.
class FilledRows {
 public:
  FilledRows(const std::vector<TableSpec>& tables, Partitioning partitioning, PartitionId partition,
             RowStore& store)
      : layouts_(LayoutsOf(tables)),
        partitioning_(partitioning),
        partition_(partition),
        store_(store) {}
  ~FilledRows() { Release(); }
  FilledRows(const FilledRows&) = delete;
  FilledRows& operator=(const FilledRows&) = delete;

  absl::Status Fill(TableId table, RowId id, std::span<const float> record) {
    if (table_ != table) {
      Release();
      const absl::StatusOr<float*> rows = store_.PinPartition(table, partition_);
      if (!rows.ok()) return rows.status();
      table_ = table;
      rows_ = *rows;
    }
    const RowLayout& layout = layouts_[Index(table)];
    slots_.push_back(partitioning_.SlotOf(id));
    layout.FromRecord(record.data(), rows_ + slots_.back() * layout.stride());
    return absl::OkStatus();
  }

 private:
  void Release() {
    if (!table_.has_value()) return;
    store_.MarkChanged(*table_, partition_, slots_);
    store_.ReleasePartition(*table_, partition_);
    slots_.clear();
    table_.reset();
  }

  const std::vector<RowLayout> layouts_;
  const Partitioning partitioning_;
  const PartitionId partition_;
  RowStore& store_;
  std::optional<TableId> table_;  // That is pinned.
  float* rows_ = nullptr;
  std::vector<std::uint32_t> slots_;  // Filled.
};

}  // namespace

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
  {
    FilledRows rows(tables, Partitioning(snapshot.manifest().partitions()), partition, store);
    absl::Status read = snapshot.ReadPartition(
        partition, [&](TableId table, RowId id, std::span<const float> record) {
          return rows.Fill(table, id, record);
        });
    if (!read.ok()) return read;
  }
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
