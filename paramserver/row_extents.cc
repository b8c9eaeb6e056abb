#include "paramserver/row_extents.h"

#include <algorithm>
#include <cstring>

#include <absl/status/statusor.h>

#include "common/base/check.h"

namespace cf {
namespace {

// Rows that are written together, if not a few more.
constexpr std::size_t kRowsOfPage = 8;
// Rows of an extent: large pieces to read and to write, of which one is in memory for each thread; and
// a page of every extent is in memory, so that there should be few.
constexpr std::uint64_t kExtentBytesMax = std::uint64_t{4} << 20;
constexpr std::uint64_t kExtentBytesMin = std::uint64_t{64} << 10;
constexpr std::uint32_t kExtentsOfPartition = 8;
// Pages on their way to disk, of all extents. Small tables need few, which is less memory.
constexpr std::size_t kWaysMax = 256;
constexpr std::size_t kWaysMin = 8;
// So many are handed over before somebody is woken for them.
constexpr std::size_t kWaysTogether = 32;

std::size_t WaysFor(std::size_t extents) {
  return std::clamp(extents / 4, kWaysMin, kWaysMax);
}

}  // namespace

RowExtents::Shape::Shape(std::size_t stride)
    : stored(stored_row::BytesFor(stride)),
      bytes(InWholePages(kRowsOfPage * stored)),
      rows(static_cast<std::uint32_t>(bytes / stored)) {
}

std::vector<std::vector<RowExtents::Cut>> RowExtents::CutsFor(const Options& options,
                                                              const Shape& shape) {
  std::vector<std::vector<Cut>> cuts(options.tables.size());
  std::uint32_t number = 0;
  for (const TableId table : options.stored) {
    for (std::uint32_t p = options.range.first; p < options.range.last; ++p) {
      Cut cut = {
          .first = number,
          .rows = options.partitioning.RowsIn(PartitionId{p}, options.tables[Index(table)].rows)};
      const std::uint64_t bytes = cut.rows * std::uint64_t{shape.stored};
      const auto count = static_cast<std::uint32_t>(
          std::max({std::uint64_t{1}, bytes / kExtentBytesMax,
                    std::min<std::uint64_t>(kExtentsOfPartition, bytes / kExtentBytesMin)}));
      cut.run = std::max(1U, (cut.rows + count - 1) / count);
      cut.count = (cut.rows + cut.run - 1) / cut.run;
      // Packed, it has room for a page at least.
      cut.pages = (cut.run + cut.run / 2 + shape.rows - 1) / shape.rows + 1;
      Check(cut.pages * shape.rows <= kNone, "a position is below kNone");
      number += cut.count;
      cuts[Index(table)].push_back(cut);
    }
  }
  return cuts;
}

std::uint64_t RowExtents::PackBytes(const std::vector<std::vector<Cut>>& cuts, const Shape& shape) {
  std::uint64_t most = 0;
  for (const std::vector<Cut>& of_table : cuts) {
    for (const Cut& cut : of_table) most = std::max(most, cut.pages * std::uint64_t{shape.bytes});
  }
  return most;
}

RowExtents::Sizes RowExtents::SizesFor(const Options& options) {
  const Shape shape(options.tables[Index(options.stored.front())].stride);
  const std::vector<std::vector<Cut>> cuts = CutsFor(options, shape);
  const std::uint64_t pack = PackBytes(cuts, shape);
  Sizes sizes = {.memory = (1 + kPackings) * pack + pack / shape.stored * sizeof(std::uint32_t) +
                           AroundBytes(shape.stored)};
  std::size_t extents = 0;
  for (const std::vector<Cut>& of_table : cuts) {
    for (const Cut& cut : of_table) {
      extents += cut.count;
      sizes.memory += sizeof(Cut) + cut.count * (sizeof(Extent) + shape.bytes);
      sizes.disk += std::uint64_t{cut.count} * cut.pages * shape.bytes;
    }
  }
  sizes.memory += WaysFor(extents) * (sizeof(Way) + shape.bytes);
  return sizes;
}

RowExtents::RowExtents(const Options& options)
    : options_(options),
      shape_(options.tables[Index(options.stored.front())].stride),
      cuts_(CutsFor(options_, shape_)),
      extent_pages_(MakePages(PackBytes(cuts_, shape_))),
      around_(MakePages(AroundBytes(shape_.stored))) {
  std::uint64_t begin = options_.begin;
  for (const TableId table : options_.stored) {
    Check(options_.tables[Index(table)].stride ==
              options_.tables[Index(options_.stored.front())].stride,
          "all rows have one length");
    for (const Cut& cut : cuts_[Index(table)]) {
      for (std::uint32_t k = 0; k < cut.count; ++k) {
        extents_.push_back({.begin = begin, .pages = cut.pages});
        begin += cut.pages * std::uint64_t{shape_.bytes};
      }
    }
  }
  for (Packing& packing : packings_) packing.pages = MakePages(PackBytes(cuts_, shape_));
  way_count_ = WaysFor(extents_.size());
  ways_ = std::make_unique<Way[]>(way_count_);
  on_ways_ = MakePages(way_count_ * shape_.bytes);
  filling_ = MakePages(extents_.size() * shape_.bytes);
  // What is between the rows of a page is written, too.
  std::memset(filling_.get(), 0, extents_.size() * shape_.bytes);
}

RowExtents::~RowExtents() {
  // What is under way points into this object.
  for (std::size_t way = 0; way < way_count_; ++way) options_.mover->Await(ways_[way].progress);
  for (const Packing& packing : packings_) options_.mover->Await(packing.progress);
}

const RowExtents::Cut& RowExtents::CutOf(RowKey key) const {
  return cuts_[Index(key.table)][Index(key.partition) - options_.range.first];
}

std::uint32_t RowExtents::NumberOf(RowKey key) const {
  const Cut& cut = CutOf(key);
  return cut.first + key.slot / cut.run;
}

RowExtents::Run RowExtents::RunOf(RowKey key) const {
  const Cut& cut = CutOf(key);
  const std::uint32_t first = key.slot / cut.run * cut.run;
  return {.first = first, .last = std::min(cut.rows, first + cut.run)};
}

// --- To disk -------------------------------------------------------------------------------------

bool RowExtents::IsFull(RowKey key) const {
  const Extent& extent = extents_[NumberOf(key)];
  return extent.next == extent.pages * shape_.rows;
}

std::uint32_t RowExtents::Append(RowKey key, std::span<const float> row) {
  const std::uint32_t number = NumberOf(key);
  Extent& extent = extents_[number];
  const std::uint32_t position = extent.next++;
  stored_row::Store(key, row,
                    {Filling(number) + position % shape_.rows * shape_.stored, shape_.stored});
  if (extent.next % shape_.rows == 0) HandOver(number);
  if (IsFull(key)) {
    if (Packing* const packing = FreePacking(); packing != nullptr) BeginPacking(*packing, key);
  }
  return position;
}

void RowExtents::HandOver(std::uint32_t number) {
  Extent& extent = extents_[number];
  Way& way = ways_[next_way_];
  Retire(way);
  std::byte* const page = PageOn(next_way_);
  next_way_ = (next_way_ + 1) % way_count_;
  std::memcpy(page, Filling(number), shape_.bytes);
  way.extent = number;
  way.page = extent.next / shape_.rows - 1;
  way.used = true;
  way.progress.store(Progress::kUnderWay, std::memory_order_relaxed);
  ++extent.under_way;
  options_.mover->Begin(RowMover::Write{.at = extent.begin + way.page * std::uint64_t{shape_.bytes},
                                        .pages = {page, shape_.bytes},
                                        .progress = &way.progress});
  if (next_way_ % kWaysTogether == 0) options_.mover->Kick();
}

void RowExtents::Retire(Way& way) {
  if (!way.used) return;
  options_.mover->Await(way.progress);
  way.used = false;
  --extents_[way.extent].under_way;
}

void RowExtents::AwaitWrites(std::uint32_t number) {
  for (Packing& packing : packings_) {
    if (packing.stage == Packing::Stage::kWriting && packing.number == number)
      options_.mover->Await(packing.progress);
  }
  for (std::size_t way = 0; extents_[number].under_way > 0 && way < way_count_; ++way) {
    if (ways_[way].used && ways_[way].extent == number) Retire(ways_[way]);
  }
}

bool RowExtents::IsBeingWritten(std::uint32_t number) {
  for (const Packing& packing : packings_) {
    if (packing.stage == Packing::Stage::kWriting && packing.number == number &&
        packing.is_under_way()) {
      return true;
    }
  }
  for (std::size_t way = 0; extents_[number].under_way > 0 && way < way_count_; ++way) {
    if (!ways_[way].used || ways_[way].extent != number) continue;
    if (ways_[way].progress.load(std::memory_order_acquire) != Progress::kDone) return true;
    Retire(ways_[way]);
  }
  return false;
}

// --- Packing -------------------------------------------------------------------------------------

RowExtents::Packing* RowExtents::PackingOf(std::uint32_t number) {
  for (Packing& packing : packings_) {
    const bool reads =
        packing.stage == Packing::Stage::kWaits || packing.stage == Packing::Stage::kReading;
    if (reads && packing.number == number) return &packing;
  }
  return nullptr;
}

RowExtents::Packing* RowExtents::FreePacking() {
  for (Packing& packing : packings_) {
    if (packing.stage == Packing::Stage::kWriting && !packing.is_under_way())
      packing.stage = Packing::Stage::kNone;
    if (packing.stage == Packing::Stage::kNone) return &packing;
  }
  return nullptr;
}

void RowExtents::BeginPacking(Packing& packing, RowKey key) {
  packing.stage = Packing::Stage::kWaits;
  packing.number = NumberOf(key);
  packing.key = key;
}

void RowExtents::BeginRead(Packing& packing) {
  packing.stage = Packing::Stage::kReading;
  packing.progress.store(Progress::kUnderWay, std::memory_order_relaxed);
  options_.mover->Begin(RowMover::Load{.at = extents_[packing.number].begin,
                                       .pages = {packing.pages.get(), WholeBytes(packing.number)},
                                       .progress = &packing.progress});
}

std::optional<RowKey> RowExtents::ReadyToPack() {
  std::optional<RowKey> ready;
  for (Packing& packing : packings_) {
    if (packing.stage == Packing::Stage::kWaits && !IsBeingWritten(packing.number)) {
      BeginRead(packing);
    }
    if (packing.stage == Packing::Stage::kReading && !packing.is_under_way()) ready = packing.key;
  }
  return ready;
}

RowExtents::Packing& RowExtents::ReadToPack(RowKey key) {
  const std::uint32_t number = NumberOf(key);
  Packing* packing = PackingOf(number);
  if (packing == nullptr) {
    packing = FreePacking();
    if (packing == nullptr) {
      // One that was read for another extent is read again when that one is packed.
      const auto writing = std::ranges::find(packings_, Packing::Stage::kWriting, &Packing::stage);
      packing = writing != packings_.end() ? &*writing : packings_.data();
      options_.mover->Await(packing->progress);
    }
    BeginPacking(*packing, key);
  }
  if (packing->stage == Packing::Stage::kWaits) {
    AwaitWrites(number);
    BeginRead(*packing);
  }
  options_.mover->Await(packing->progress);
  return *packing;
}

absl::Status RowExtents::Pack(RowKey key, std::span<std::uint32_t> positions) {
  const std::uint32_t number = NumberOf(key);
  Extent& extent = extents_[number];
  Packing& packing = ReadToPack(key);
  if (absl::Status read = options_.mover->status(); !read.ok()) return read;
  const std::uint32_t used = extent.next;
  slots_at_.assign(used, kNone);
  for (std::uint32_t k = 0; k < positions.size(); ++k) {
    if (positions[k] != kNone) slots_at_[positions[k]] = k;
  }
  // In the order of their positions, so that none is overwritten before it has moved.
  std::byte* const pages = packing.pages.get();
  RowKey at = key;
  std::uint32_t kept = 0;
  for (std::uint32_t position = 0; position < used; ++position) {
    const std::uint32_t k = slots_at_[position];
    if (k == kNone) continue;
    at.slot = RunOf(key).first + k;
    std::byte* const from = pages + shape_.OffsetOf(position);
    if (!stored_row::IsWhole(at, {from, shape_.stored})) return NotAsWritten(at, position);
    std::memmove(pages + shape_.OffsetOf(kept), from, shape_.stored);
    positions[k] = kept++;
  }
  extent.next = kept;
  packing.bytes = WholeBytes(number);
  std::memcpy(Filling(number), pages + packing.bytes, shape_.bytes);
  packing.stage = Packing::Stage::kWriting;
  packing.progress.store(Progress::kUnderWay, std::memory_order_relaxed);
  options_.mover->Begin(RowMover::Write{
      .at = extent.begin, .pages = {pages, packing.bytes}, .progress = &packing.progress});
  return absl::OkStatus();
}

// --- From disk -----------------------------------------------------------------------------------

const std::byte* RowExtents::PageInMemory(std::uint32_t number, std::uint32_t page) const {
  const Extent& extent = extents_[number];
  if (page == extent.next / shape_.rows) return Filling(number);
  for (const Packing& packing : packings_) {
    if (packing.stage == Packing::Stage::kWriting && packing.number == number &&
        page * std::uint64_t{shape_.bytes} < packing.bytes && packing.is_under_way()) {
      return packing.pages.get() + page * std::uint64_t{shape_.bytes};
    }
  }
  if (extent.under_way == 0) return nullptr;
  for (std::size_t way = 0; way < way_count_; ++way) {
    if (ways_[way].used && ways_[way].extent == number && ways_[way].page == page)
      return PageOn(way);
  }
  return nullptr;
}

bool RowExtents::TakeFromMemory(RowKey key, std::uint32_t position, std::span<float> row) const {
  const std::byte* const page = PageInMemory(NumberOf(key), position / shape_.rows);
  if (page == nullptr) return false;
  std::memcpy(row.data(), page + position % shape_.rows * shape_.stored, row.size_bytes());
  return true;
}

std::uint64_t RowExtents::PlaceOf(RowKey key, std::uint32_t position) const {
  return extents_[NumberOf(key)].begin + shape_.OffsetOf(position);
}

absl::Status RowExtents::NotAsWritten(RowKey key, std::uint32_t position) const {
  return stored_row::NotAsWritten(key, *options_.file, PlaceOf(key, position));
}

absl::Status RowExtents::Read(RowKey key, std::uint32_t position, std::span<float> row) {
  if (TakeFromMemory(key, position, row)) return absl::OkStatus();
  const absl::StatusOr<std::span<const std::byte>> stored =
      ReadAround(*options_.file, PlaceOf(key, position), shape_.stored,
                 {around_.get(), AroundBytes(shape_.stored)});
  if (!stored.ok()) return stored.status();
  return stored_row::Load(key, *stored, row) ? absl::OkStatus() : NotAsWritten(key, position);
}

absl::Status RowExtents::ReadExtent(RowKey key) {
  const std::uint32_t number = NumberOf(key);
  AwaitWrites(number);
  const std::uint64_t whole = WholeBytes(number);
  if (extents_[number].next % shape_.rows != 0) {
    std::memcpy(extent_pages_.get() + whole, Filling(number), shape_.bytes);
  }
  return options_.file->Read(extents_[number].begin, {extent_pages_.get(), whole});
}

absl::Status RowExtents::TakeFromExtent(RowKey key, std::uint32_t position,
                                        std::span<float> row) const {
  const std::span<const std::byte> stored(extent_pages_.get() + shape_.OffsetOf(position),
                                          shape_.stored);
  return stored_row::Load(key, stored, row) ? absl::OkStatus() : NotAsWritten(key, position);
}

}  // namespace cf
