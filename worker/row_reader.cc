#include "worker/row_reader.h"

#include <algorithm>
#include <optional>

namespace cf {

RowReader::RowReader(RowClient& rows, std::uint64_t turn)
    : rows_(rows), turn_(turn), batch_(rows.MakeBatch()) {
}

RowReader::~RowReader() {
  rows_.Recycle(batch_);
}

absl::Status RowReader::Read(TableId table, std::span<const RowId> ids, RowCopies& copies) {
  rows_.Recycle(batch_);
  batch_.Clear();
  rows_.Want(batch_, table, ids.size(), [ids](std::size_t k) { return ids[k]; });
  rows_.Push(turn_, std::nullopt, {}, &batch_);
  if (rows_.has_own_server()) {
    absl::Status served =
        rows_.ServeOwn(turn_, std::nullopt, {}, &batch_, ServedTurn::Use::kReading);
    if (!served.ok()) return served;
    rows_.TakeOwn(batch_);
  }
  absl::Status taken = rows_.Take(turn_, batch_);
  if (!taken.ok()) return taken;
  ++turn_;
  const RowLayout& layout = rows_.layouts()[Index(table)];
  const std::span<const float* const> rows = batch_.rows(table);
  copies.Resize(ids.size(), layout);
  for (std::size_t k = 0; k < ids.size(); ++k) {
    std::copy_n(rows[k], layout.wire_floats(), copies.row(k));
  }
  return absl::OkStatus();
}

}  // namespace cf
