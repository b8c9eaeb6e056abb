#include "paramserver/initial_values.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/math/random.h"
#include "common/model/layout.h"

namespace cf {
namespace {

// Initial biases draw from blocks that no vector reaches.
constexpr std::uint64_t kBiasBlock = std::uint64_t{1} << 32;

// Of a baseline: the constant in the vectors of one side, and the share of a bias in those of the
// other. Searched on splits of MovieLens that no result is told of; twice or half of either changed
// an error there by some .2 % at most.
constexpr float kConstant = 1.5F;
constexpr float kShare = 0.15F;

/// What the variance of some initial values follows from, as Keras has it.
struct Fan {
  std::uint32_t in = 0;
  std::uint32_t out = 0;
};

void FillInitial(const Initial& initial, const CounterRandom& random, std::uint64_t first_block,
                 Fan fan, std::span<float> values) {
  switch (initial.kind_case()) {
    case Initial::kZeros:
      std::ranges::fill(values, 0.0F);
      return;
    case Initial::kUniform:
      return FillUniform(random, first_block, initial.uniform().min(), initial.uniform().max(),
                         values);
    case Initial::kNormal:
      return FillNormal(random, first_block, initial.normal().mean(), initial.normal().deviation(),
                        values);
    case Initial::kHeNormal:
      return FillTruncatedNormal(random, first_block, 2.0 / fan.in, values);
    case Initial::kGlorotUniform: {
      const double limit = std::sqrt(6.0 / (static_cast<double>(fan.in) + fan.out));
      return FillUniform(random, first_block, -limit, limit, values);
    }
    case Initial::KIND_NOT_SET:
      break;
  }
  Check(false, "a validated job says how rows start");
}

/// The weights at the front of a row's record.
void FillWeights(const TableSpec& spec, const CounterRandom& random, std::span<float> record) {
  const TableShape& shape = spec.shape;
  if (spec.layer.has_value()) {
    const LayerShape& layer = *spec.layer;
    const std::size_t kernel = std::size_t{layer.inputs} * layer.units;
    FillInitial(spec.vectors, random, 0, {.in = layer.inputs, .out = layer.units},
                record.first(kernel));
    FillInitial(spec.biases, random, kBiasBlock, {.in = layer.units, .out = layer.units},
                record.subspan(kernel, layer.units));
    return;
  }
  FillInitial(spec.vectors, random, 0, {.in = shape.rows, .out = shape.dim},
              record.first(shape.dim));
  if (shape.biases) {
    FillInitial(spec.biases, random, kBiasBlock, {.in = shape.rows, .out = 1},
                record.subspan(shape.dim, 1));
  }
}

/// Calls `change(id, row)` for the rows of a partition, which it changes.
template <class Change>
absl::Status ChangeRows(TableId table, const TableShape& shape, Partitioning partitioning,
                        PartitionId partition, RowStore& store, const Change& change) {
  const absl::StatusOr<float*> rows = store.PinPartition(table, partition);
  if (!rows.ok()) return rows.status();
  const std::size_t stride = RowLayout(shape).stride();
  std::vector<std::uint32_t> slots(partitioning.RowsIn(partition, shape.rows));
  std::iota(slots.begin(), slots.end(), 0U);
  for (const std::uint32_t slot : slots) {
    Activity::Tick();
    change(partitioning.IdAt(partition, slot), *rows + slot * stride);
  }
  store.MarkChanged(table, partition, slots);
  store.ReleasePartition(table, partition);
  return absl::OkStatus();
}

}  // namespace

absl::Status InitializeRows(const std::vector<TableSpec>& tables, Partitioning partitioning,
                            PartitionId partition, const InitialValues& values, RowStore& store) {
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    const TableSpec& spec = tables[t];
    const RowLayout layout(spec.shape);
    std::vector<float> record(layout.record_floats(), values.optimizer_state);
    absl::Status filled = ChangeRows(
        TableId{t}, spec.shape, partitioning, partition, store, [&](RowId id, float* row) {
          const CounterRandom random(values.seed, Purpose::kInitialValues,
                                     CounterRandom::Stream(t, static_cast<std::uint32_t>(id)));
          FillWeights(spec, random, record);
          layout.FromRecord(record.data(), row);
        });
    if (!filled.ok()) return filled;
  }
  return absl::OkStatus();
}

absl::Status SetBiases(const TableSpec& spec, TableId table, Partitioning partitioning,
                       PartitionId partition, std::span<const float> biases, RowStore& store) {
  Check(spec.shape.biases && biases.size() == spec.shape.rows, "every row has a bias to be set");
  const std::size_t at = RowLayout(spec.shape).padded_dim();
  return ChangeRows(table, spec.shape, partitioning, partition, store,
                    [&](RowId id, float* row) { row[at] = biases[Index(id)]; });
}

absl::Status SetBaseline(const TableSpec& spec, TableId table, BaselineSide side,
                         Partitioning partitioning, PartitionId partition,
                         std::span<const float> biases, RowStore& store) {
  if (spec.shape.dim < 2) return SetBiases(spec, table, partitioning, partition, biases, store);
  Check(spec.shape.biases && biases.size() == spec.shape.rows, "every row has a bias to be set");
  const std::size_t at = RowLayout(spec.shape).padded_dim();
  const std::size_t constant = side == BaselineSide::kUser ? 0 : 1;
  return ChangeRows(table, spec.shape, partitioning, partition, store, [&](RowId id, float* row) {
    const float bias = biases[Index(id)];
    row[constant] = kConstant;
    row[1 - constant] = kShare * bias;
    row[at] = (1 - kConstant * kShare) * bias;
  });
}

}  // namespace cf
