#include "paramserver/initial_values.h"

#include <algorithm>
#include <cmath>
#include <utility>
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

// Rows that are pinned together while they are written.
constexpr std::uint32_t kRowsAtOnce = 256;

/// Writes the rows of one table of a partition.
absl::Status InitializeTable(TableId table, const TableShape& shape, Partitioning partitioning,
                             PartitionId partition, const RowMaker& maker, RowStore& store) {
  const std::size_t stride = RowLayout(shape).stride();
  const std::uint32_t count = partitioning.RowsIn(partition, shape.rows);
  std::vector<RowId> ids;
  std::vector<float*> rows;
  for (std::uint32_t slot = 0; slot < count;) {
    const std::uint32_t last = std::min(count, slot + kRowsAtOnce);
    ids.clear();
    for (; slot < last; ++slot) ids.push_back(partitioning.IdAt(partition, slot));
    rows.resize(ids.size());
    absl::Status pinned = store.Pin(table, ids, RowStore::Access::kUpdate, rows);
    if (!pinned.ok()) return pinned;
    for (std::size_t k = 0; k < ids.size(); ++k) {
      Activity::Tick();
      maker.Make(table, ids[k], {rows[k], stride});
    }
    store.Release(table, ids);
  }
  return absl::OkStatus();
}

}  // namespace

InitialRows::InitialRows(std::vector<TableSpec> tables, InitialValues values)
    : tables_(std::move(tables)), values_(values), biases_(tables_.size()) {
}

void InitialRows::SetBiases(TableId table, std::vector<float> biases) {
  const TableShape& shape = tables_[Index(table)].shape;
  Check(shape.biases && biases.size() == shape.rows, "every row has a bias to be set");
  biases_[Index(table)] = {.of_row = std::move(biases)};
}

void InitialRows::SetBaseline(TableId table, BaselineSide side, std::vector<float> biases) {
  SetBiases(table, std::move(biases));
  // A vector of one number has no room for both.
  if (tables_[Index(table)].shape.dim >= 2) biases_[Index(table)].side = side;
}

void InitialRows::Make(TableId table, RowId id, std::span<float> row) const {
  const TableSpec& spec = tables_[Index(table)];
  const RowLayout layout(spec.shape);
  // Kept for its capacity: at the start of a job it is filled for every row.
  thread_local std::vector<float> record;
  record.assign(layout.record_floats(), values_.optimizer_state);
  FillWeights(spec,
              CounterRandom(values_.seed, Purpose::kInitialValues,
                            CounterRandom::Stream(Index(table), static_cast<std::uint32_t>(id))),
              record);
  layout.FromRecord(record.data(), row.data());
  const Biases& biases = biases_[Index(table)];
  if (biases.of_row.empty()) return;
  const float bias = biases.of_row[Index(id)];
  const std::size_t at = layout.padded_dim();
  if (!biases.side.has_value()) {
    row[at] = bias;
    return;
  }
  const std::size_t constant = *biases.side == BaselineSide::kUser ? 0 : 1;
  row[constant] = kConstant;
  row[1 - constant] = kShare * bias;
  row[at] = (1 - kConstant * kShare) * bias;
}

absl::Status InitializeRows(const std::vector<TableSpec>& tables, Partitioning partitioning,
                            PartitionId partition, const RowMaker& maker, RowStore& store) {
  for (std::uint32_t t = 0; t < tables.size(); ++t) {
    absl::Status written =
        InitializeTable(TableId{t}, tables[t].shape, partitioning, partition, maker, store);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace cf
