#include "paramserver/shard.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/math/random.h"

namespace cf {
namespace {

constexpr std::uint32_t kNone = ~std::uint32_t{0};
// Initial biases draw from blocks that no vector reaches.
constexpr std::uint64_t kBiasBlock = std::uint64_t{1} << 32;

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

/// Whether all are: without its sign, a float's bits ascend with its size, and infinity and NaN are
/// above all others. No branch, so that a pass over many rows costs no more than reading them.
bool IsFinite(std::span<const float> values) {
  std::uint32_t largest = 0;
  for (const float value : values) {
    largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffU);
  }
  return largest < 0x7f800000U;
}

std::size_t SlabBytes(const RowLayout& layout, std::uint32_t rows) {
  return rows * layout.stride() *
         sizeof(float);  // A multiple of 64: strides are multiples of 16 floats.
}

}  // namespace

std::size_t Shard::RowsBytes(const std::vector<TableSpec>& tables, Partitioning partitioning,
                             SeatRange range) {
  std::size_t bytes = 0;
  for (const TableSpec& table : tables) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      bytes +=
          SlabBytes(RowLayout(table.shape), partitioning.RowsIn(PartitionId{p}, table.shape.rows));
    }
  }
  return bytes;
}

Shard::Shard(Options options)
    : options_(std::move(options)),
      partitioning_(options_.exchange->placement().partitioning()),
      range_(options_.exchange->placement().servers().range(options_.seat)) {
}

absl::StatusOr<std::unique_ptr<Shard>> Shard::Open(Options options) {
  std::unique_ptr<Shard> shard(new Shard(std::move(options)));
  const std::vector<TableSpec>& specs = shard->options_.tables;
  absl::StatusOr<Arena> arena = Arena::Map(RowsBytes(specs, shard->partitioning_, shard->range_));
  if (!arena.ok()) return arena.status();
  shard->arena_ = *std::move(arena);
  std::byte* at = shard->arena_.data();
  for (const TableSpec& spec : specs) {
    Table table{
        .spec = spec, .layout = RowLayout(spec.shape), .slabs = {}, .dirty = {}, .entry_of = {}};
    for (std::uint32_t p = shard->range_.first; p < shard->range_.last; ++p) {
      const std::uint32_t rows = shard->partitioning_.RowsIn(PartitionId{p}, spec.shape.rows);
      table.slabs.push_back(reinterpret_cast<float*>(at));
      table.dirty.emplace_back((rows + 63) / 64);
      table.entry_of.emplace_back(rows, kNone);
      at += SlabBytes(table.layout, rows);
    }
    shard->tables_.push_back(std::move(table));
  }
  return shard;
}

float* Shard::RowOf(const Table& table, RowId id) const {
  return table.slabs[Index(partitioning_.Of(id)) - range_.first] +
         partitioning_.SlotOf(id) * table.layout.stride();
}

void Shard::MarkDirty(Table& table, RowId id) {
  const std::uint32_t slot = partitioning_.SlotOf(id);
  table.dirty[Index(partitioning_.Of(id)) - range_.first][slot / 64] |= std::uint64_t{1}
                                                                        << (slot % 64);
}

bool Shard::Hosts(TableId table, RowId id) const {
  return Index(id) < tables_[Index(table)].spec.shape.rows && range_.Contains(partitioning_.Of(id));
}

void Shard::Initialize() {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    Table& table = tables_[t];
    const TableShape& shape = table.spec.shape;
    std::vector<float> record(table.layout.record_floats(), options_.optimizer->initial_state());
    for (std::uint32_t p = range_.first; p < range_.last; ++p) {
      for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(PartitionId{p}, shape.rows);
           ++slot) {
        const RowId id = partitioning_.IdAt(PartitionId{p}, slot);
        const CounterRandom random(options_.seed, Purpose::kInitialValues,
                                   CounterRandom::Stream(t, static_cast<std::uint32_t>(id)));
        FillWeights(table.spec, random, record);
        table.layout.FromRecord(record.data(), RowOf(table, id));
        MarkDirty(table, id);
      }
    }
  }
}

void Shard::SetBiases(TableId table, std::span<const float> biases) {
  Table& to = tables_[Index(table)];
  Check(to.spec.shape.biases && biases.size() == to.spec.shape.rows, "every row has a bias");
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(PartitionId{p}, to.spec.shape.rows);
         ++slot) {
      const RowId id = partitioning_.IdAt(PartitionId{p}, slot);
      RowOf(to, id)[to.layout.padded_dim()] = biases[Index(id)];
      MarkDirty(to, id);
    }
  }
}

absl::Status Shard::Load(const Snapshot& snapshot) {
  const Manifest& manifest = snapshot.manifest();
  Check(manifest.partitions() == partitioning_.count(),
        "a resumed run has the partitions of its snapshot");
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const TableShape& shape = tables_[t].spec.shape;
    const bool known = static_cast<int>(t) < manifest.tables_size();
    if (!known || manifest.tables(static_cast<int>(t)).rows() != shape.rows ||
        RecordFloats(manifest.tables(static_cast<int>(t))) != tables_[t].layout.record_floats()) {
      return absl::FailedPreconditionError(
          absl::StrCat("snapshot ", manifest.name(), " has another shape of table ", shape.name));
    }
  }
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    absl::Status read = snapshot.ReadPartition(
        PartitionId{p}, [this](TableId table, RowId id, std::span<const float> record) {
          tables_[Index(table)].layout.FromRecord(record.data(), RowOf(tables_[Index(table)], id));
          return absl::OkStatus();
        });
    if (!read.ok()) return read;
  }
  MarkClean();
  return absl::OkStatus();
}

void Shard::Resolve(TableId table, std::span<const RowId> ids, std::span<const float*> rows) const {
  const Table& from = tables_[Index(table)];
  for (std::size_t k = 0; k < ids.size(); ++k) rows[k] = RowOf(from, ids[k]);
}

void Shard::ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                     std::span<const float* const> gradients) {
  Table& to = tables_[Index(table)];
  updates_.clear();
  for (std::size_t k = 0; k < ids.size(); ++k) {
    updates_.push_back({RowOf(to, ids[k]), gradients[k]});
    MarkDirty(to, ids[k]);
  }
  options_.kernels->update_rows(options_.optimizer->At(step, to.spec), updates_);
}

bool Shard::CanServe() {
  return options_.exchange->PushesTo(options_.seat).IsReady();
}

absl::Status Shard::AwaitPushes(std::uint64_t turn) {
  const Profile::Scope scope(options_.profile, Phase::kWaitPushes);
  return options_.exchange->PushesTo(options_.seat).Await(turn, pushes_);
}

absl::Status Shard::Serve(std::uint64_t turn, bool apply, std::uint64_t step,
                          std::span<OwnPartials> own) {
  absl::Status arrived = AwaitPushes(turn);
  if (!arrived.ok()) return arrived;
  if (apply) {
    absl::Status applied = ApplyPushes(step, own, pushes_);
    if (!applied.ok()) return applied;
  }
  for (Parcel& push : pushes_) {
    absl::Status sent = SendWanted(push);
    if (!sent.ok()) return sent;
    options_.exchange->Recycle(std::move(push));
  }
  return absl::OkStatus();
}

absl::Status Shard::ApplyPushes(std::uint64_t step, std::span<OwnPartials> own,
                                std::span<Parcel> pushes) {
  if (pushes.empty()) {
    ApplyAlone(step, own);
    return absl::OkStatus();
  }
  const Profile::Scope scope(options_.profile, Phase::kMerge);
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const TableId table{static_cast<std::uint32_t>(t)};
    const std::size_t floats = tables_[t].layout.wire_floats();
    const TreeSum tree = TreeOf(tables_[t]);
    entries_.clear();
    parts_.clear();
    // In the order of the worker seats, which is that of their partitions, so that each row's parts
    // ascend.
    bool own_is_due = !own.empty();
    const auto collect_own = [&]() -> absl::Status {
      own_is_due = false;
      for (std::size_t k = 0; k < own[t].ids.size(); ++k) {
        absl::Status collected = Collect(tree, table, own[t].ids[k], own[t].parts[k]);
        if (!collected.ok()) return collected;
      }
      return absl::OkStatus();
    };
    absl::Status collected;
    for (Parcel& push : pushes) {
      if (own_is_due && push.from_seat > options_.seat) collected = collect_own();
      const Parcel::Table& from = push.tables[t];
      for (std::size_t k = 0; collected.ok() && k < from.partial_ids.size(); ++k) {
        collected = Collect(tree, table, from.partial_ids[k],
                            {from.partial_nodes[k], from.gradients.data() + k * floats});
      }
      if (!collected.ok()) return collected;
    }
    if (own_is_due) collected = collect_own();
    if (!collected.ok()) return collected;
    ApplyEntries(tree, table, step);
  }
  return absl::OkStatus();
}

void Shard::ApplyAlone(std::uint64_t step, std::span<const OwnPartials> own) {
  const Profile::Scope scope(options_.profile, Phase::kApply);
  for (std::size_t t = 0; t < own.size(); ++t) {
    sums_.clear();
    for (const TreePart& part : own[t].parts) sums_.push_back(part.gradient);
    ApplyOwn(TableId{static_cast<std::uint32_t>(t)}, step, own[t].ids, sums_);
  }
}

absl::Status Shard::Collect(const TreeSum& tree, TableId table, RowId id, const TreePart& part) {
  if (!Hosts(table, id)) {
    return absl::DataLossError(absl::StrCat("a gradient for row ", Index(id), " of table ",
                                            tables_[Index(table)].spec.shape.name,
                                            ", which is not hosted here"));
  }
  const auto index = static_cast<std::uint32_t>(parts_.size());
  std::uint32_t& entry =
      tables_[Index(table)]
          .entry_of[Index(partitioning_.Of(id)) - range_.first][partitioning_.SlotOf(id)];
  // What Reduce requires, of parts that a peer has sent.
  if (!tree.IsNode(part.node) ||
      (entry != kNone && !tree.IsBefore(parts_[entries_[entry].last].part.node, part.node))) {
    return absl::DataLossError(absl::StrCat("a gradient for row ", Index(id), " of table ",
                                            tables_[Index(table)].spec.shape.name, " at node ",
                                            part.node, ", which is not its place in the tree"));
  }
  parts_.push_back({part, kNone});
  if (entry == kNone) {
    entry = static_cast<std::uint32_t>(entries_.size());
    entries_.push_back({id, index, index});
  } else {
    parts_[entries_[entry].last].next = index;
    entries_[entry].last = index;
  }
  return absl::OkStatus();
}

TreeSum Shard::TreeOf(const Table& table) const {
  return TreeSum(partitioning_, {0, partitioning_.count()}, *options_.kernels,
                 table.layout.padded_dim());
}

void Shard::ApplyEntries(const TreeSum& tree, TableId table, std::uint64_t step) {
  Table& to = tables_[Index(table)];
  updates_.clear();
  for (const Entry& entry : entries_) {
    to.entry_of[Index(partitioning_.Of(entry.id)) - range_.first][partitioning_.SlotOf(entry.id)] =
        kNone;
    if (entry.first != entry.last) {
      chain_.clear();
      for (std::uint32_t k = entry.first; k != kNone; k = parts_[k].next)
        chain_.push_back(parts_[k].part);
      Check(tree.Reduce(chain_) == 1, "a server holds every leaf of the tree");
    }
    // Reduce sums into the first part.
    updates_.push_back({RowOf(to, entry.id), parts_[entry.first].part.gradient});
    MarkDirty(to, entry.id);
  }
  const Profile::Scope scope(options_.profile, Phase::kApply);
  options_.kernels->update_rows(options_.optimizer->At(step, to.spec), updates_);
}

absl::Status Shard::SendWanted(const Parcel& push) {
  const Profile::Scope scope(options_.profile, Phase::kPull);
  Exchange& exchange = *options_.exchange;
  const bool in_place = options_.rows_in_place && exchange.IsWorkerHere(push.from_seat);
  ParcelShape shape{.from_seat = options_.seat, .to_seat = push.from_seat, .turn = push.turn};
  for (const Parcel::Table& table : push.tables) {
    shape.tables.push_back(
        {.rows = in_place ? 0 : static_cast<std::uint32_t>(table.wanted.size())});
  }
  Parcel parcel = exchange.MakeRows(shape);
  for (std::size_t t = 0; t < tables_.size() && !in_place; ++t) {
    const std::size_t floats = tables_[t].layout.wire_floats();
    float* at = parcel.tables[t].rows.data();
    for (const RowId id : push.tables[t].wanted) {
      if (!Hosts(TableId{static_cast<std::uint32_t>(t)}, id)) {
        return absl::DataLossError(absl::StrCat("seat ", push.from_seat, " wants row ", Index(id),
                                                " of table ", tables_[t].spec.shape.name,
                                                ", which is not hosted here"));
      }
      at = std::copy_n(RowOf(tables_[t], id), floats, at);
    }
  }
  exchange.SendRows(std::move(parcel));
  return absl::OkStatus();
}

double Shard::L2Penalty(PartitionId partition) const {
  double penalty = 0;
  for (const Table& table : tables_) {
    const TableShape& shape = table.spec.shape;
    double vectors = 0;
    double biases = 0;
    for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(partition, shape.rows); ++slot) {
      const float* row = RowOf(table, partitioning_.IdAt(partition, slot));
      for (std::uint32_t k = 0; k < shape.dim; ++k)
        vectors += static_cast<double>(row[k]) * static_cast<double>(row[k]);
      const auto bias = static_cast<double>(row[table.layout.padded_dim()]);
      if (shape.biases) biases += bias * bias;
    }
    penalty += table.spec.l2_vectors * vectors + table.spec.l2_biases * biases;
  }
  return penalty;
}

std::uint64_t Shard::Rows(PartitionId partition) const {
  std::uint64_t rows = 0;
  for (const Table& table : tables_) rows += partitioning_.RowsIn(partition, table.spec.shape.rows);
  return rows;
}

std::uint64_t Shard::ChangedRows(PartitionId partition) const {
  std::uint64_t changed = 0;
  for (const Table& table : tables_) {
    for (const std::uint64_t word : table.dirty[Index(partition) - range_.first]) {
      changed += static_cast<std::uint64_t>(std::popcount(word));
    }
  }
  return changed;
}

std::optional<RowId> Shard::FirstNotFinite(TableId table, bool changed_only) const {
  const Table& of = tables_[Index(table)];
  std::optional<RowId> first;
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    const std::vector<std::uint64_t>& dirty = of.dirty[p - range_.first];
    for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(PartitionId{p}, of.spec.shape.rows);
         ++slot) {
      if (changed_only && ((dirty[slot / 64] >> (slot % 64)) & 1U) == 0) continue;
      const RowId id = partitioning_.IdAt(PartitionId{p}, slot);
      if (first.has_value() && *first < id) break;  // Ids ascend within a partition.
      if (!IsFinite({RowOf(of, id), of.layout.stride()})) first = id;
    }
  }
  return first;
}

absl::Status Shard::Write(PartitionId partition, bool changed_only, PartitionWriter& writer) const {
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    const Table& table = tables_[t];
    const std::vector<std::uint64_t>& dirty = table.dirty[Index(partition) - range_.first];
    std::vector<float> record(table.layout.record_floats());
    for (std::uint32_t slot = 0; slot < partitioning_.RowsIn(partition, table.spec.shape.rows);
         ++slot) {
      if (changed_only && ((dirty[slot / 64] >> (slot % 64)) & 1U) == 0) continue;
      const RowId id = partitioning_.IdAt(partition, slot);
      table.layout.ToRecord(RowOf(table, id), record.data());
      absl::Status added = writer.Add(TableId{static_cast<std::uint32_t>(t)}, id, record);
      if (!added.ok()) return added;
    }
  }
  return absl::OkStatus();
}

void Shard::MarkClean() {
  for (Table& table : tables_) {
    for (std::vector<std::uint64_t>& bits : table.dirty) std::ranges::fill(bits, 0);
  }
}

}  // namespace cf
