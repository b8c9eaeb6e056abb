#include "paramserver/row_scan.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/activity.h"
#include "common/model/layout.h"

namespace cf {
namespace {

/// Whether all are: without its sign, a float's bits ascend with its size, and infinity and NaN are
/// above all others. No branch, so that a pass over many rows costs no more than reading them.
bool IsFinite(std::span<const float> values) {
  std::uint32_t largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffU);
  }
  return largest < 0x7f800000U;
}

/// The weights of one row after another.
class Weights {
 public:
  Weights(const ScannedRows& rows, TableId table)
      : rows_(rows),
        table_(table),
        layout_(rows.tables[Index(table)].shape),
        copy_(layout_.wire_floats()) {}

  /// The padded vector and the bias of a stored row; valid until the next.
  std::span<const float> Of(std::span<const float> row) {
    if (!rows_.optimizer.moves_rows()) return row.first(layout_.wire_floats());
    const float* const stored = row.data();
    rows_.optimizer.Read(table_, rows_.steps, {&stored, 1}, copy_.data(), copy_.size());
    return copy_;
  }

  const RowLayout& layout() const { return layout_; }

 private:
  const ScannedRows& rows_;
  TableId table_;
  RowLayout layout_;
  std::vector<float> copy_;
};

/// Whether one row after another is finite.
class FiniteCheck {
 public:
  FiniteCheck(const ScannedRows& rows, TableId table)
      : moves_rows_(rows.optimizer.moves_rows()),
        weights_(rows, table),
        last_step_(weights_.layout().last_step_at()) {}

  /// Of what is stored, but for the last step, which is no float, and of what is made of it.
  bool Holds(std::span<const float> row) {
    return IsFinite(row.first(last_step_)) && IsFinite(row.subspan(last_step_ + 1)) &&
           (!moves_rows_ || IsFinite(weights_.Of(row)));
  }

 private:
  const bool moves_rows_;
  Weights weights_;
  const std::size_t last_step_;
};

}  // namespace

absl::StatusOr<double> L2Penalty(const ScannedRows& rows, TableId table, PartitionId partition) {
  const TableSpec& spec = rows.tables[Index(table)];
  if (spec.l2_vectors == 0 && spec.l2_biases == 0) return 0;
  Weights weights(rows, table);
  double vectors = 0;
  double biases = 0;
  absl::Status read = rows.store.Visit(
      table, partition, RowStore::Which::kAll, [&](RowId, std::span<const float> stored) {
        Activity::Tick();
        const std::span<const float> row = weights.Of(stored);
        for (std::uint32_t k = 0; k < spec.shape.dim; ++k) {
          vectors += static_cast<double>(row[k]) * static_cast<double>(row[k]);
        }
        const auto bias = static_cast<double>(row.back());
        if (spec.shape.biases) biases += bias * bias;
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  return spec.l2_vectors * vectors + spec.l2_biases * biases;
}

absl::StatusOr<std::optional<RowId>> FirstNotFinite(const ScannedRows& rows, TableId table,
                                                    PartitionId partition, RowStore::Which which) {
  FiniteCheck check(rows, table);
  std::optional<RowId> first;
  absl::Status read =
      rows.store.Visit(table, partition, which, [&](RowId id, std::span<const float> row) {
        Activity::Tick();
        if (!check.Holds(row) && !first.has_value()) first = id;
        return absl::OkStatus();
      });
  if (!read.ok()) return read;
  return first;
}

absl::StatusOr<bool> FreezeRows(const ScannedRows& rows, PartitionId partition,
                                RowStore::Which which, FrozenRows& copies, NotFiniteRows& found) {
  bool fits = true;
  for (std::uint32_t t = 0; t < rows.tables.size() && fits; ++t) {
    FiniteCheck check(rows, TableId{t});
    absl::Status read =
        rows.store.Visit(TableId{t}, partition, which, [&](RowId id, std::span<const float> row) {
          Activity::Tick();
          if (!check.Holds(row)) found[t] = std::min(found[t].value_or(id), id);
          fits = copies.Add(TableId{t}, id, row);
          return fits ? absl::OkStatus() : absl::CancelledError();
        });
    if (!read.ok() && fits) return read;
  }
  return fits;
}

}  // namespace cf
