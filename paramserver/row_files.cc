#include "paramserver/row_files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/model/layout.h"
#include "common/snapshot/manifest.h"

namespace cf {
namespace {

// Rows that are pinned together while they are filled.
constexpr std::size_t kRowsTogether = 256;

/// The partition's rows of one table after another, gathered and then filled some at a time.
class FilledRows {
 public:
  FilledRows(const std::vector<TableSpec>& tables, RowStore& store)
      : layouts_(LayoutsOf(tables)), store_(store) {}

  absl::Status Fill(TableId table, RowId id, std::span<const float> record) {
    if (table_ != table || ids_.size() == kRowsTogether) {
      absl::Status flushed = Flush();
      if (!flushed.ok()) return flushed;
      table_ = table;
    }
    const RowLayout& layout = layouts_[Index(table)];
    ids_.push_back(id);
    gathered_.resize(ids_.size() * layout.stride());
    layout.FromRecord(record.data(), gathered_.data() + gathered_.size() - layout.stride());
    return absl::OkStatus();
  }

  /// What is gathered. Called at the end, too.
  absl::Status Flush() {
    if (ids_.empty()) return absl::OkStatus();
    const std::size_t stride = layouts_[Index(table_)].stride();
    rows_.resize(ids_.size());
    absl::Status pinned = store_.Pin(table_, ids_, RowStore::Access::kUpdate, rows_);
    if (!pinned.ok()) return pinned;
    for (std::size_t k = 0; k < ids_.size(); ++k) {
      std::copy_n(gathered_.data() + k * stride, stride, rows_[k]);
    }
    store_.Release(table_, ids_);
    ids_.clear();
    return absl::OkStatus();
  }

 private:
  const std::vector<RowLayout> layouts_;
  RowStore& store_;
  TableId table_{};
  std::vector<RowId> ids_;
  std::vector<float> gathered_;  // Their rows.
  std::vector<float*> rows_;
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
  FilledRows rows(tables, store);
  absl::Status read = snapshot.ReadPartition(
      partition, [&](TableId table, RowId id, std::span<const float> record) {
        return rows.Fill(table, id, record);
      });
  if (read.ok()) read = rows.Flush();
  if (!read.ok()) return read;
  store.MarkWritten(partition);
  store.Commit(partition);
  return absl::OkStatus();
}

absl::StatusOr<std::uint64_t> RestoreRows(const std::vector<TableSpec>& tables,
                                          const Snapshot& snapshot, PartitionId partition,
                                          Filed state, SlabStore& store) {
  std::vector<std::vector<std::uint64_t>> changed;
  bool any = false;
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    changed.push_back(store.ChangedSince(TableId{t}, partition, state));
    any = any || std::ranges::any_of(changed.back(), [](std::uint64_t word) { return word != 0; });
  }
  std::uint64_t taken = 0;
  if (any) {
    FilledRows rows(tables, store);
    absl::Status read = snapshot.ReadRows(
        partition, changed, [&](TableId table, RowId id, std::span<const float> record) {
          ++taken;
          return rows.Fill(table, id, record);
        });
    if (read.ok()) read = rows.Flush();
    if (!read.ok()) return read;
  }
  store.Restored(partition, state);
  return taken;
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
