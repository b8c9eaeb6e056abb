#include "paramserver/slab_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cf {
namespace {

/// A multiple of 64 bytes, since strides are multiples of 16 floats.
std::size_t SlabBytes(const RowStore::Table& table, Partitioning partitioning,
                      PartitionId partition) {
  return table.RoomFor(partitioning, partition) * table.stride * sizeof(float);
}

}  // namespace

std::size_t SlabStore::BytesFor(std::span<const Table> tables, Partitioning partitioning,
                                SeatRange range) {
  std::size_t bytes = 0;
  for (const Table& table : tables) {
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      bytes += SlabBytes(table, partitioning, PartitionId{p});
    }
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<SlabStore>> SlabStore::Open(std::span<const Table> tables,
                                                           Partitioning partitioning,
                                                           SeatRange range) {
  std::unique_ptr<SlabStore> store(new SlabStore(tables, partitioning));
  absl::Status moved = store->MoveTo(range);
  if (!moved.ok()) return moved;
  return store;
}

SlabStore::SlabStore(std::span<const Table> tables, Partitioning partitioning)
    : tables_(tables.begin(), tables.end()),
      partitioning_(partitioning),
      slabs_(tables.size()),
      changed_(tables, partitioning, {}, cf::ChangedRows::Remember::kCommitBefore) {
}

std::size_t SlabStore::BytesOf(PartitionId partition) const {
  std::size_t bytes = 0;
  for (const Table& table : tables_) bytes += SlabBytes(table, partitioning_, partition);
  return bytes;
}

absl::Status SlabStore::MoveTo(SeatRange range) {
  std::vector<std::pair<SeatRange, Arena>> come;
  for (const SeatRange added : {SeatRange{range.first, std::min(range.last, range_.first)},
                                SeatRange{std::max(range.first, range_.last), range.last}}) {
    if (added.first >= added.last) continue;
    absl::StatusOr<Arena> arena = Arena::Map(BytesFor(tables_, partitioning_, added));
    if (!arena.ok()) return arena.status();
    come.emplace_back(added, *std::move(arena));
  }
  for (std::uint32_t p = range_.first; p < range_.last; ++p) {
    if (range.Contains(PartitionId{p})) continue;
    Arena::GiveBack(reinterpret_cast<std::byte*>(Slab(TableId{0}, PartitionId{p})),
                    BytesOf(PartitionId{p}));
  }
  // A partition's slabs of all tables are adjacent, so that the partitions of a thread are, too.
  std::vector<std::vector<float*>> slabs(tables_.size());
  for (std::size_t t = 0; t < tables_.size(); ++t) {
    slabs[t].resize(range.size());
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      if (range_.Contains(PartitionId{p})) slabs[t][p - range.first] = slabs_[t][p - range_.first];
    }
  }
  for (const auto& [added, arena] : come) {
    std::byte* at = arena.data();
    for (std::uint32_t p = added.first; p < added.last; ++p) {
      for (std::size_t t = 0; t < tables_.size(); ++t) {
        slabs[t][p - range.first] = reinterpret_cast<float*>(at);
        at += SlabBytes(tables_[t], partitioning_, PartitionId{p});
      }
    }
  }
  slabs_ = std::move(slabs);
  std::erase_if(arenas_, [range](const auto& arena) {
    return arena.first.last <= range.first || arena.first.first >= range.last;
  });
  std::ranges::move(come, std::back_inserter(arenas_));
  changed_.MoveTo(range);
  range_ = range;
  return absl::OkStatus();
}

std::vector<std::uint64_t> SlabStore::ChangedSince(TableId table, PartitionId partition,
                                                   Filed state) const {
  std::vector<std::uint64_t> since = changed_.Since(table, partition, state);
  if (tables_[Index(table)].change_places) std::ranges::fill(since, ~std::uint64_t{0});
  return since;
}

void SlabStore::Announce(TableId /*table*/, std::span<const RowId> /*ids*/) {
  // Every row is in memory.
}

void SlabStore::AnnouncePartition(TableId /*table*/, PartitionId /*partition*/) {
  // As above.
}

absl::Status SlabStore::Pin(TableId table, std::span<const RowId> ids, Access access,
                            std::span<float*> rows) {
  const std::size_t stride = tables_[Index(table)].stride;
  float* const* const slabs = slabs_[Index(table)].data();
  if (access == Access::kRead) {
    for (std::size_t k = 0; k < ids.size(); ++k) {
      rows[k] = slabs[Index(partitioning_.Of(ids[k])) - range_.first] +
                partitioning_.SlotOf(ids[k]) * stride;
    }
    return absl::OkStatus();
  }
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const PartitionId partition = partitioning_.Of(ids[k]);
    const std::uint32_t slot = partitioning_.SlotOf(ids[k]);
    rows[k] = slabs[Index(partition) - range_.first] + slot * stride;
    changed_.Mark(table, partition, slot);
  }
  return absl::OkStatus();
}

void SlabStore::Release(TableId /*table*/, std::span<const RowId> /*ids*/) {
  // Rows stay where they are.
}

absl::StatusOr<float*> SlabStore::PinPartition(TableId table, PartitionId partition) {
  return Slab(table, partition);
}

void SlabStore::ReleasePartition(TableId /*table*/, PartitionId /*partition*/) {
  // Slabs stay where they are.
}

void SlabStore::MarkChanged(TableId table, PartitionId partition,
                            std::span<const std::uint32_t> slots) {
  for (const std::uint32_t slot : slots) changed_.Mark(table, partition, slot);
}

absl::Status SlabStore::Visit(TableId table, PartitionId partition, Which which, Visitor visit) {
  const Table& of = tables_[Index(table)];
  const std::uint32_t rows = partitioning_.RowsIn(partition, of.rows);
  for (std::uint32_t slot = 0; slot < rows; ++slot) {
    if (which == Which::kChanged && !changed_.Contains(table, partition, slot)) continue;
    absl::Status visited = visit(partitioning_.IdAt(partition, slot),
                                 {Slab(table, partition) + slot * of.stride, of.stride});
    if (!visited.ok()) return visited;
  }
  return absl::OkStatus();
}

std::uint64_t SlabStore::Rows(PartitionId partition) const {
  std::uint64_t rows = 0;
  for (const Table& table : tables_) rows += partitioning_.RowsIn(partition, table.rows);
  return rows;
}

}  // namespace cf
