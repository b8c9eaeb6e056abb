#include "paramserver/row_scan.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

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

}  // namespace

absl::StatusOr<double> L2Penalty(const std::vector<TableSpec>& tables, PartitionId partition,
                                 RowStore& store) {
  double penalty = 0;
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    const TableSpec& spec = tables[t];
    if (spec.l2_vectors == 0 && spec.l2_biases == 0) continue;
    const RowLayout layout(spec.shape);
    double vectors = 0;
    double biases = 0;
    absl::Status read = store.Visit(
        TableId{t}, partition, RowStore::Which::kAll, [&](RowId, std::span<const float> row) {
          Activity::Tick();
          for (std::uint32_t k = 0; k < spec.shape.dim; ++k) {
            vectors += static_cast<double>(row[k]) * static_cast<double>(row[k]);
          }
          const auto bias = static_cast<double>(row[layout.padded_dim()]);
          if (spec.shape.biases) biases += bias * bias;
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
    penalty += spec.l2_vectors * vectors + spec.l2_biases * biases;
  }
  return penalty;
}

absl::StatusOr<std::optional<RowId>> FirstNotFinite(TableId table, SeatRange range,
                                                    RowStore::Which which, RowStore& store) {
  std::optional<RowId> first;
  for (std::uint32_t p = range.first; p < range.last; ++p) {
    absl::Status read =
        store.Visit(table, PartitionId{p}, which, [&](RowId id, std::span<const float> row) {
          Activity::Tick();
          if (!IsFinite(row) && (!first.has_value() || id < *first)) first = id;
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
  }
  return first;
}

}  // namespace cf
