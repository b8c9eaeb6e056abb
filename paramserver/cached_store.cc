#include "paramserver/cached_store.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

// One part in so many of the memory for rows is for copies of them that are on their way.
constexpr std::uint64_t kForwardedShare = 16;

bool Moves(TableId table) {
  return table == kUsers || table == kItems;
}

/// The tables, but without the rows of those that move, or of the others.
std::vector<RowStore::Table> TablesThat(bool move, std::span<const RowStore::Table> tables) {
  std::vector<RowStore::Table> kept(tables.begin(), tables.end());
  for (std::uint32_t t = 0; t < kept.size(); ++t) {
    if (Moves(TableId{t}) != move) kept[t].rows = 0;
  }
  return kept;
}

/// Tables that share the frames of a thread, because their rows have one length.
struct Pool {
  std::vector<TableId> tables;
  std::size_t stride = 0;
};

std::vector<Pool> PoolsOf(std::span<const RowStore::Table> tables) {
  const std::size_t users = tables[Index(kUsers)].stride;
  const std::size_t items = tables[Index(kItems)].stride;
  if (users == items) return {{.tables = {kUsers, kItems}, .stride = users}};
  return {{.tables = {kUsers}, .stride = users}, {.tables = {kItems}, .stride = items}};
}

std::uint64_t RowsIn(std::span<const RowStore::Table> tables, TableId table,
                     Partitioning partitioning, SeatRange range) {
  std::uint64_t rows = 0;
  for (std::uint32_t p = range.first; p < range.last; ++p) {
    rows += partitioning.RowsIn(PartitionId{p}, tables[Index(table)].rows);
  }
  return rows;
}

std::uint64_t RowsIn(std::span<const RowStore::Table> tables, const Pool& pool,
                     Partitioning partitioning, SeatRange range) {
  std::uint64_t rows = 0;
  for (const TableId table : pool.tables) rows += RowsIn(tables, table, partitioning, range);
  return rows;
}

/// The memory of all rows that move, if it had room for them.
std::uint64_t FramesBytes(std::span<const RowStore::Table> tables, Partitioning partitioning,
                          SeatRange range) {
  std::uint64_t bytes = 0;
  for (const Pool& pool : PoolsOf(tables)) {
    bytes += RowsIn(tables, pool, partitioning, range) * RowCache::FrameBytes(pool.stride);
  }
  return bytes;
}

/// Whether its rows are among those of which it is known when they are wanted again.
bool IsForeseen(const Pool& pool) {
  return std::ranges::find(pool.tables, kUsers) != pool.tables.end();
}

/// What copies of users in `range` take.
ForwardedRows::Sizes ForwardedSizesOf(std::span<const RowStore::Table> tables,
                                      Partitioning partitioning, SeatRange range) {
  return ForwardedRows::SizesFor(tables[Index(kUsers)].stride,
                                 RowsIn(tables, kUsers, partitioning, range), range.size());
}

/// How many buffers of `bytes` for rows and copies are for these. A small part is enough; of
/// little memory all is for rows.
std::uint32_t BuffersOf(std::span<const RowStore::Table> tables, std::uint64_t bytes) {
  const std::uint64_t buffers =
      bytes / kForwardedShare / ForwardedRows::BufferBytes(tables[Index(kUsers)].stride);
  if (buffers < ForwardedRows::kBuffersMin) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(buffers, ForwardedRows::kBuffersMax));
}

/// What is on disk of the pool's rows in `range`.
RowExtents::Options ExtentsOf(std::span<const RowStore::Table> tables, const Pool& pool,
                              Partitioning partitioning, SeatRange range) {
  return {.tables = {tables.begin(), tables.end()},
          .stored = pool.tables,
          .partitioning = partitioning,
          .range = range};
}

std::size_t StrideMax(std::span<const RowStore::Table> tables) {
  return std::max(tables[Index(kUsers)].stride, tables[Index(kItems)].stride);
}

/// How many frames each pool of a thread gets of `bytes`: the smaller one, whose rows are used more
/// often, half of them if it has as many rows, and the other one the rest.
std::vector<std::uint64_t> FramesOf(std::span<const Pool> pools,
                                    std::span<const std::uint64_t> rows, double bytes) {
  const auto frames = [&](std::size_t pool, double of_bytes) {
    const double fit = of_bytes / static_cast<double>(RowCache::FrameBytes(pools[pool].stride));
    return static_cast<std::uint64_t>(
        std::min({fit, static_cast<double>(rows[pool]), double{RowCache::kFramesMax}}));
  };
  if (pools.size() == 1) return {frames(0, bytes)};
  const auto size = [&](std::size_t pool) {
    return static_cast<double>(rows[pool] * RowCache::FrameBytes(pools[pool].stride));
  };
  const std::size_t small = size(0) < size(1) ? 0 : 1;
  const double of_small = std::min(size(small), bytes / 2);
  std::vector<std::uint64_t> all(2);
  all[small] = frames(small, of_small);
  all[1 - small] = frames(1 - small, bytes - of_small);
  return all;
}

SeatRange RangeOf(std::span<const SeatRange> threads) {
  return threads.empty() ? SeatRange() : SeatRange{threads.front().first, threads.back().last};
}

}  // namespace

std::size_t CachedStore::DiskBytes(std::span<const Table> tables, Partitioning partitioning,
                                   SeatRange range) {
  std::size_t bytes = 0;
  for (const Pool& pool : PoolsOf(tables)) {
    bytes += RowExtents::SizesFor(ExtentsOf(tables, pool, partitioning, range)).disk;
  }
  return bytes + ForwardedSizesOf(tables, partitioning, range).disk;
}

std::size_t CachedStore::FixedBytes(std::span<const Table> tables, Partitioning partitioning,
                                    std::span<const SeatRange> threads) {
  const SeatRange range = RangeOf(threads);
  std::size_t bytes = SlabStore::BytesFor(TablesThat(false, tables), partitioning, range) +
                      cf::ChangedRows::BytesFor(tables, partitioning, range) +
                      RowMover::BytesFor(StrideMax(tables));
  for (const Pool& pool : PoolsOf(tables)) {
    bytes += RowsIn(tables, pool, partitioning, range) * RowCache::PlaceBytes();
    for (const SeatRange& thread : threads) {
      bytes += RowExtents::SizesFor(ExtentsOf(tables, pool, partitioning, thread)).memory;
    }
  }
  for (const SeatRange& thread : threads) {
    bytes += ForwardedSizesOf(tables, partitioning, thread).memory;
  }
  return bytes;
}

std::size_t CachedStore::LeastBytes(std::span<const Table> tables, Partitioning partitioning,
                                    std::span<const SeatRange> threads, RowsAtOnce needed) {
  const std::vector<Pool> pools = PoolsOf(tables);
  const auto all = static_cast<double>(FramesBytes(tables, partitioning, RangeOf(threads)));
  double least = 0;
  for (const SeatRange& thread : threads) {
    std::uint64_t most = 0;  // That a pool needs.
    for (const Pool& pool : pools) {
      std::uint64_t rows = 1;  // Their number is rounded down.
      for (const TableId table : pool.tables) {
        rows += std::min(table == kUsers ? needed.users : needed.items,
                         RowsIn(tables, table, partitioning, thread));
      }
      most = std::max(most, rows * RowCache::FrameBytes(pool.stride));
    }
    const std::uint64_t hosted = FramesBytes(tables, partitioning, thread);
    if (hosted == 0) continue;
    // Of its bytes a pool gets no less than an equal share, or all of its rows (FramesOf).
    const std::uint64_t bytes = std::min(hosted, most * pools.size());
    least = std::max(least, static_cast<double>(bytes) * all / static_cast<double>(hosted));
  }
  return static_cast<std::size_t>(least * kForwardedShare / (kForwardedShare - 1)) + 1;
}

absl::StatusOr<std::unique_ptr<CachedStore>> CachedStore::Open(Options options) {
  absl::StatusOr<std::unique_ptr<SlabStore>> others =
      SlabStore::Open(TablesThat(false, options.tables), options.partitioning, options.range);
  if (!others.ok()) return others.status();
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(options.directory);
  if (!folder.ok()) return folder.status();
  absl::StatusOr<std::unique_ptr<ScratchFile>> file =
      ScratchFile::Create(absl::StrCat(folder->path(), "/rows"), ScratchFile::Access::kDirect);
  if (!file.ok()) return file.status();
  absl::Status reserved =
      (*file)->Reserve(DiskBytes(options.tables, options.partitioning, options.range));
  if (!reserved.ok()) return reserved;
  return std::unique_ptr<CachedStore>(new CachedStore(std::move(options), *std::move(others),
                                                      *std::move(folder), *std::move(file)));
}

CachedStore::CachedStore(Options options, std::unique_ptr<SlabStore> others, ScratchFolder folder,
                         std::unique_ptr<ScratchFile> file)
    : options_(std::move(options)),
      others_(std::move(others)),
      changed_(TablesThat(true, options_.tables), options_.partitioning, options_.range),
      folder_(std::move(folder)),
      file_(std::move(file)),
      mover_(file_.get(), StrideMax(options_.tables)),
      thread_of_(options_.range.size()) {
}

CachedStore::~CachedStore() = default;

absl::StatusOr<bool> CachedStore::Begin(const Hosts& hosts) {
  Check(owned_.empty(), "a store begins once");
  const std::vector<Pool> pools = PoolsOf(options_.tables);
  const double all =
      static_cast<double>(FramesBytes(options_.tables, options_.partitioning, options_.range));
  const double share = std::min(1.0, static_cast<double>(options_.bytes) / all);
  std::uint64_t begin = 0;  // In the file.
  for (std::uint32_t k = 0; k < hosts.threads.size(); ++k) {
    const SeatRange range = hosts.threads[k];
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      thread_of_[p - options_.range.first] = k;
    }
    std::vector<std::uint64_t> rows;
    for (const Pool& pool : pools) {
      rows.push_back(RowsIn(options_.tables, pool, options_.partitioning, range));
    }
    const std::uint64_t all_of_thread = FramesBytes(options_.tables, options_.partitioning, range);
    const double bytes = share * static_cast<double>(all_of_thread);
    const std::uint32_t buffers =
        share < 1 ? BuffersOf(options_.tables, static_cast<std::uint64_t>(bytes)) : 0;
    const std::vector<std::uint64_t> frames = FramesOf(
        pools, rows,
        bytes - static_cast<double>(
                    buffers * ForwardedRows::BufferBytes(options_.tables[Index(kUsers)].stride)));
    ForwardedRows* forwarded = nullptr;
    if (buffers > 0) {
      forwarded_.push_back(std::make_unique<ForwardedRows>(ForwardedRows::Options{
          .stride = options_.tables[Index(kUsers)].stride,
          .rows = RowsIn(options_.tables, kUsers, options_.partitioning, range),
          .partitions = range.size(),
          .buffers = buffers,
          .file = file_.get(),
          .mover = &mover_,
          .begin = begin}));
      forwarded = forwarded_.back().get();
    }
    begin += ForwardedSizesOf(options_.tables, options_.partitioning, range).disk;
    for (std::size_t of = 0; of < pools.size(); ++of) {
      const Pool& pool = pools[of];
      absl::StatusOr<Arena> arena = Arena::Map(frames[of] * pool.stride * sizeof(float));
      if (!arena.ok()) return arena.status();
      absl::StatusOr<Arena> about = Arena::Map(RowCache::AboutBytes(frames[of], rows[of]));
      if (!about.ok()) return about.status();
      arenas_.push_back(*std::move(arena));
      arenas_.push_back(*std::move(about));
      RowExtents::Options extents = ExtentsOf(options_.tables, pool, options_.partitioning, range);
      extents.file = file_.get();
      extents.mover = &mover_;
      extents.begin = begin;
      begin += RowExtents::SizesFor(extents).disk;
      extents_.push_back(std::make_unique<RowExtents>(extents));
      owned_.push_back(std::make_unique<RowCache>(
          RowCache::Options{.tables = options_.tables,
                            .cached = pool.tables,
                            .partitioning = options_.partitioning,
                            .range = range,
                            .frames = static_cast<std::uint32_t>(frames[of]),
                            .memory = reinterpret_cast<float*>(arenas_.end()[-2].data()),
                            .about = arenas_.back().data(),
                            .maker = hosts.maker,
                            .changed = &changed_,
                            .mover = &mover_,
                            .extents = extents_.back().get(),
                            .forwarded = IsForeseen(pool) ? forwarded : nullptr}));
      for (const TableId table : pool.tables) caches_[Index(table)].push_back(owned_.back().get());
    }
  }
  changed_.MarkAll();
  return MakeOthers(*hosts.maker);
}

absl::StatusOr<bool> CachedStore::MakeOthers(const RowMaker& maker) {
  std::vector<std::uint32_t> slots;
  for (std::uint32_t t = 0; t < options_.tables.size(); ++t) {
    if (Moves(TableId{t})) continue;
    const Table& table = options_.tables[t];
    for (std::uint32_t p = options_.range.first; p < options_.range.last; ++p) {
      const absl::StatusOr<float*> rows = others_->PinPartition(TableId{t}, PartitionId{p});
      if (!rows.ok()) return rows.status();
      slots.clear();
      for (std::uint32_t slot = 0; slot < options_.partitioning.RowsIn(PartitionId{p}, table.rows);
           ++slot) {
        maker.Make(TableId{t}, options_.partitioning.IdAt(PartitionId{p}, slot),
                   {*rows + slot * table.stride, table.stride});
        slots.push_back(slot);
      }
      others_->MarkChanged(TableId{t}, PartitionId{p}, slots);
    }
  }
  return true;
}

// --- Rows ----------------------------------------------------------------------------------------

void CachedStore::Announce(TableId table, std::span<const RowId> ids) {
  if (!Moves(table) || ids.empty()) return;
  CacheOf(table, options_.partitioning.Of(ids.front())).Announce(table, ids);
}

void CachedStore::Foresee(TableId table, std::span<const RowId> ids,
                          std::span<const std::uint16_t> batches) {
  if (!Moves(table) || ids.empty()) return;
  CacheOf(table, options_.partitioning.Of(ids.front())).Foresee(table, ids, batches);
}

absl::Status CachedStore::Pin(TableId table, std::span<const RowId> ids, Access access,
                              std::span<float*> rows) {
  if (!Moves(table)) return others_->Pin(table, ids, access, rows);
  if (ids.empty()) return absl::OkStatus();
  return CacheOf(table, options_.partitioning.Of(ids.front())).Pin(table, ids, access, rows);
}

void CachedStore::Release(TableId table, std::span<const RowId> ids) {
  if (!Moves(table) || ids.empty()) return;
  CacheOf(table, options_.partitioning.Of(ids.front())).Release(table, ids);
}

void CachedStore::AnnouncePartition(TableId /*table*/, PartitionId /*partition*/) {
  // A pass over a partition reads ahead by itself.
}

absl::StatusOr<float*> CachedStore::PinPartition(TableId /*table*/, PartitionId /*partition*/) {
  return absl::UnimplementedError("rows of this store come one by one");
}

void CachedStore::ReleasePartition(TableId /*table*/, PartitionId /*partition*/) {
  // None was pinned.
}

void CachedStore::MarkChanged(TableId /*table*/, PartitionId /*partition*/,
                              std::span<const std::uint32_t> /*slots*/) {
  // As above.
}

absl::Status CachedStore::Visit(TableId table, PartitionId partition, Which which, Visitor visit) {
  if (!Moves(table)) return others_->Visit(table, partition, which, visit);
  return CacheOf(table, partition).Visit(table, partition, which, visit);
}

std::uint64_t CachedStore::Rows(PartitionId partition) const {
  std::uint64_t rows = 0;
  for (const Table& table : options_.tables) {
    rows += options_.partitioning.RowsIn(partition, table.rows);
  }
  return rows;
}

std::uint64_t CachedStore::ChangedRows(PartitionId partition) const {
  return changed_.Count(partition) + others_->ChangedRows(partition);
}

void CachedStore::MarkWritten(PartitionId partition) {
  changed_.MarkWritten(partition);
  others_->MarkWritten(partition);
}

void CachedStore::Commit(PartitionId partition) {
  changed_.Commit(partition);
  others_->Commit(partition);
}

RowCache::Figures CachedStore::figures() const {
  RowCache::Figures sum;
  for (const std::unique_ptr<RowCache>& cache : owned_) {
    sum.pins += cache->figures().pins;
    sum.misses += cache->figures().misses;
    sum.made += cache->figures().made;
    sum.came += cache->figures().came;
  }
  return sum;
}

}  // namespace cf
