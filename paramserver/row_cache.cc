#include "paramserver/row_cache.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <memory>
#include <type_traits>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

// Of frames that are looked at for the one whose row is wanted last, so many are side by side.
constexpr std::uint32_t kNeighbours = 8;
constexpr std::size_t kLineBytes = 64;
// So many rows further on places and frames are fetched.
constexpr std::size_t kPlacesAhead = 16;
constexpr std::size_t kFramesAhead = 8;
// Reads that are handed over together: the first of them are under way while the others are found.
constexpr std::size_t kReadsTogether = 64;
// Uses of a row in the mean before all are halved: enough to tell rows apart, few enough to follow
// what changes.
constexpr std::uint64_t kUsesMean = 8;
// Single rows that take as long as a large extent.
constexpr std::uint32_t kSingleMax = 32;

}  // namespace

RowCache::RowCache(Options options)
    : options_(std::move(options)),
      stride_(options_.tables[Index(options_.cached.front())].stride),
      uses_max_(0),
      frames_(reinterpret_cast<Frame*>(options_.about)),
      places_(options_.tables.size()),
      scratch_(stride_) {
  Check(options_.frames <= kFramesMax, "a place has room for a frame's number");
  static_assert(std::is_trivially_destructible_v<Frame>);
  std::uninitialized_value_construct_n(frames_, options_.frames);
  auto* places = reinterpret_cast<Place*>(frames_ + options_.frames);
  for (const TableId table : options_.cached) {
    const RowStore::Table& of = options_.tables[Index(table)];
    Check(of.stride == stride_, "all rows of a cache have one length");
    for (std::uint32_t p = options_.range.first; p < options_.range.last; ++p) {
      const std::uint32_t rows = options_.partitioning.RowsIn(PartitionId{p}, of.rows);
      std::uninitialized_fill_n(places, rows, Place(kNowhere, 0));
      places_[Index(table)].emplace_back(places, rows);
      places += rows;
      uses_max_ += rows * kUsesMean;
    }
  }
  FindGaps();
}

RowCache::~RowCache() {
  // What is under way points into this object.
  for (std::uint32_t k = 0; k < taken_; ++k) options_.mover->Await(frames_[k].progress);
}

// --- Pinning -------------------------------------------------------------------------------------

void RowCache::Fetch(TableId table, std::span<const RowId> ids, std::size_t k) {
  if (k + kFramesAhead < ids.size()) {
    const std::uint32_t where = PlaceOf(table, ids[k + kFramesAhead]).where();
    if (IsFrame(where)) __builtin_prefetch(&frames_[where]);
  }
  if (k + kPlacesAhead < ids.size()) __builtin_prefetch(&PlaceOf(table, ids[k + kPlacesAhead]));
}

void RowCache::Announce(TableId table, std::span<const RowId> ids) {
  for (std::size_t k = 0; k < ids.size(); ++k) {
    Fetch(table, ids, k);
    const RowId id = ids[k];
    Place& place = PlaceOf(table, id);
    std::optional<std::uint32_t> frame = place.where();
    if (!IsFrame(place.where())) frame = Bring(table, id, place, Need::kSoon);
    if (!frame.has_value()) break;
    frames_[*frame].announced = true;
  }
  BeginReads();
  PackWhatIsReady();
}

void RowCache::Foresee(TableId table, std::span<const RowId> ids,
                       std::span<const std::uint16_t> batches) {
  // What came before the first batch, as reading a snapshot does, says nothing of how rows are used.
  if (now_ == 0) Fade(static_cast<std::uint32_t>(std::bit_width(kUsesMax)));
  ++now_;
  FindGaps();
  PackWhatIsReady();
  if (options_.forwarded != nullptr) {
    options_.forwarded->Advance(now_, [this](const ForwardedRows::Copy& copy) { Receive(copy); });
  }
  options_.mover->Kick();
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const std::uint32_t where = PlaceOf(table, ids[k]).where();
    if (IsFrame(where)) frames_[where].next = now_ + batches[k];
  }
}

absl::Status RowCache::Pin(TableId table, std::span<const RowId> ids, RowStore::Access access,
                           std::span<float*> rows) {
  absl::Status done = options_.mover->status();
  std::size_t pinned = 0;
  for (; done.ok() && pinned < ids.size(); ++pinned) {
    Fetch(table, ids, pinned);
    Place& place = PlaceOf(table, ids[pinned]);
    std::optional<std::uint32_t> at = place.where();
    if (!IsFrame(place.where())) at = Bring(table, ids[pinned], place, Need::kNow);
    if (!at.has_value()) {
      done = absl::ResourceExhaustedError(
          "more rows are pinned than the budget of memory has room for");
      break;
    }
    Frame& frame = frames_[*at];
    // A step may pin a row once more to change it.
    if (frame.pins++ == 0) CountUse(frame);
    frame.announced = false;
    rows[pinned] = RowAt(*at).data();
  }
  figures_.pins += pinned;
  BeginReads();
  // The last was asked for last: once it is there, most others are.
  for (std::size_t k = pinned; k-- > 0;) {
    const std::uint32_t at = PlaceOf(table, ids[k]).where();
    AwaitRow(at);
    if (access == RowStore::Access::kRead) continue;
    frames_[at].differs = true;
    const RowKey key = KeyOf(table, ids[k]);
    options_.changed->Mark(table, key.partition, key.slot);
  }
  if (done.ok()) done = options_.mover->status();
  if (!done.ok()) Release(table, ids.first(pinned));
  return done;
}

void RowCache::Release(TableId table, std::span<const RowId> ids) {
  for (const RowId id : ids) {
    const Place place = PlaceOf(table, id);
    Check(IsFrame(place.where()) && frames_[place.where()].pins > 0, "what is released was pinned");
    --frames_[place.where()].pins;
  }
}

void RowCache::CountUse(Frame& frame) {
  if (frame.uses < kUsesMax) ++frame.uses;
  if (++uses_ < uses_max_) return;
  Fade(1);
}

void RowCache::Fade(std::uint32_t times) {
  uses_ = 0;
  counted_ = std::max(
      1.0F, (counted_ + static_cast<float>(now_ - faded_)) / static_cast<float>(1U << times));
  faded_ = now_;
  for (std::uint32_t k = 0; k < taken_; ++k)
    frames_[k].uses = static_cast<std::uint8_t>(frames_[k].uses >> times);
  for (const std::vector<std::span<Place>>& of_table : places_) {
    for (const std::span<Place> of_partition : of_table) {
      for (Place& place : of_partition)
        place = Place(place.where(), static_cast<std::uint32_t>(place.uses()) >> times,
                      place.forwarded());
    }
  }
}

void RowCache::FindGaps() {
  const float batches = counted_ + static_cast<float>(now_ - faded_);
  gaps_[0] = std::numeric_limits<float>::infinity();
  for (std::size_t uses = 1; uses < gaps_.size(); ++uses) {
    gaps_[uses] = batches / static_cast<float>(uses);
  }
}

// --- Coming and going ----------------------------------------------------------------------------

std::optional<std::uint32_t> RowCache::Bring(TableId table, RowId id, Place& place, Need need) {
  // It may pack the extent of the row itself.
  const std::optional<std::uint32_t> at = TakeFrame(need);
  if (!at.has_value()) return at;
  ++figures_.misses;
  Frame& frame = frames_[*at];
  const std::span<float> row = RowAt(*at);
  frame.id = id;
  frame.next = 0;
  frame.table = static_cast<std::uint8_t>(table);
  frame.uses = place.uses();
  frame.announced = false;
  frame.differs = false;
  frame.forwarded = place.forwarded();
  frame.position = PositionAt(place.where());
  const RowKey key = KeyOf(table, id);
  if (frame.position == kNone) {
    ++figures_.made;
    options_.maker->Make(table, id, row);
  } else if (!options_.extents->TakeFromMemory(key, frame.position, row)) {
    frame.progress.store(RowMover::Progress::kUnderWay, std::memory_order_relaxed);
    reads_.push_back({.key = key,
                      .at = options_.extents->PlaceOf(key, frame.position),
                      .row = row,
                      .progress = &frame.progress});
    if (reads_.size() == kReadsTogether) BeginReads();
  }
  place = Place(*at, 0);
  return at;
}

std::optional<std::uint32_t> RowCache::TakeFrame(Need need) {
  if (taken_ < options_.frames) return taken_++;
  std::optional<std::uint32_t> frame = LastWanted();
  if (!frame.has_value() && need == Need::kNow) {
    BeginReads();
    frame = AnyUnpinned();
  }
  if (frame.has_value()) Evict(*frame);
  return frame;
}

std::optional<std::uint32_t> RowCache::LastWanted() {
  std::optional<std::uint32_t> last;
  float gap_of_last = 0;
  for (std::uint32_t& first_looked_at : looked_at_) {
    // Those of the next call are fetched meanwhile.
    const std::uint32_t first = std::exchange(first_looked_at, Random(options_.frames));
    for (std::uint32_t line = 0; line < kNeighbours * sizeof(Frame); line += kLineBytes) {
      __builtin_prefetch(reinterpret_cast<const std::byte*>(&frames_[first_looked_at]) + line);
    }
    const std::uint32_t end = std::min(options_.frames, first + kNeighbours);
    for (std::uint32_t at = first; at < end; ++at) {
      const Frame& frame = frames_[at];
      if (frame.pins > 0 || frame.announced || IsReading(frame)) continue;
      const float gap = GapOf(frame);
      if (last.has_value() && gap <= gap_of_last) continue;
      last = at;
      gap_of_last = gap;
    }
  }
  return last;
}

std::optional<std::uint32_t> RowCache::AnyUnpinned() {
  const std::uint32_t first = Random(options_.frames);
  std::optional<std::uint32_t> announced;
  for (std::uint32_t k = 0; k < options_.frames; ++k) {
    const std::uint32_t at = (first + k) % options_.frames;
    if (frames_[at].pins > 0) continue;
    if (!frames_[at].announced && !IsReading(frames_[at])) return at;
    announced = at;
  }
  if (announced.has_value()) AwaitRow(*announced);
  return announced;
}

void RowCache::AwaitRow(std::uint32_t at) {
  Frame& frame = frames_[at];
  options_.mover->Await(frame.progress);
  if (frame.progress.load(std::memory_order_relaxed) == RowMover::Progress::kDone) return;
  // Its extent was packed meanwhile, or it is damaged.
  const absl::Status read =
      options_.extents->Read(KeyOf(TableId{frame.table}, frame.id), frame.position, RowAt(at));
  if (!read.ok()) options_.mover->Fail(read);
  frame.progress.store(RowMover::Progress::kDone, std::memory_order_relaxed);
}

void RowCache::Evict(std::uint32_t at) {
  Frame& frame = frames_[at];
  const RowKey key = KeyOf(TableId{frame.table}, frame.id);
  const std::uint32_t position = frame.differs ? Store(key, RowAt(at)) : frame.position;
  if (frame.differs && frame.forwarded == Forwarded::kCurrent) {
    frame.forwarded = Forwarded::kOutOfDate;
  }
  if (options_.forwarded != nullptr && position != kNone && frame.forwarded == Forwarded::kNone &&
      options_.forwarded->Append(key, frame.id, RowAt(at), frame.next)) {
    frame.forwarded = Forwarded::kCurrent;
  }
  PlaceOf(key.table, frame.id) = Place(WhereAt(position), frame.uses, frame.forwarded);
}

void RowCache::Receive(const ForwardedRows::Copy& copy) {
  const RowKey key = KeyOf(copy.table, copy.id);
  if (!stored_row::IsWhole(key, copy.stored)) {
    options_.mover->Fail(options_.forwarded->NotAsWritten(key, copy));
    return;
  }
  Place& place = PlaceOf(copy.table, copy.id);
  if (IsFrame(place.where())) {
    frames_[place.where()].forwarded = Forwarded::kNone;
    return;
  }
  // One that comes too late may be another's by now.
  const bool current = place.forwarded() == Forwarded::kCurrent && copy.next > now_;
  place = Place(place.where(), place.uses());
  if (!current) return;
  // It may write to disk what was there, and so move this row in its extent.
  const std::optional<std::uint32_t> at = TakeFrame(Need::kSoon);
  if (!at.has_value()) return;
  Frame& frame = frames_[*at];
  frame.id = copy.id;
  frame.next = copy.next;
  frame.table = static_cast<std::uint8_t>(copy.table);
  frame.uses = place.uses();
  frame.announced = false;
  frame.differs = false;
  frame.forwarded = Forwarded::kNone;
  frame.position = PositionAt(place.where());
  std::memcpy(RowAt(*at).data(), copy.stored.data(), RowAt(*at).size_bytes());
  place = Place(*at, 0);
  ++figures_.came;
}

std::uint32_t RowCache::Store(RowKey key, std::span<const float> row) {
  if (options_.extents->IsFull(key)) {
    if (absl::Status packed = Pack(key); !packed.ok()) {
      // No row is safe any more, wherever it is said to be.
      options_.mover->Fail(packed);
      return 0;
    }
  }
  return options_.extents->Append(key, row);
}

void RowCache::PackWhatIsReady() {
  while (const std::optional<RowKey> key = options_.extents->ReadyToPack()) {
    if (absl::Status packed = Pack(*key); !packed.ok()) {
      options_.mover->Fail(packed);
      return;
    }
  }
}

absl::Status RowCache::Pack(RowKey key) {
  const std::span<Place> places =
      places_[Index(key.table)][Index(key.partition) - options_.range.first];
  const RowExtents::Run run = options_.extents->RunOf(key);
  positions_.clear();
  for (std::uint32_t slot = run.first; slot < run.last; ++slot) {
    const std::uint32_t where = places[slot].where();
    const bool out_of_date = IsFrame(where) && frames_[where].differs;
    positions_.push_back(out_of_date      ? kNone
                         : IsFrame(where) ? frames_[where].position
                                          : PositionAt(where));
  }
  if (absl::Status packed = options_.extents->Pack(key, positions_); !packed.ok()) return packed;
  for (std::uint32_t slot = run.first; slot < run.last; ++slot) {
    const std::uint32_t position = positions_[slot - run.first];
    Place& place = places[slot];
    if (IsFrame(place.where())) {
      frames_[place.where()].position = position;
    } else {
      place = Place(WhereAt(position), place.uses(), place.forwarded());
    }
  }
  return absl::OkStatus();
}

void RowCache::BeginReads() {
  if (reads_.empty()) return;
  options_.mover->Begin(reads_);
  options_.mover->Kick();
  reads_.clear();
}

std::uint32_t RowCache::Random(std::uint32_t below) {
  // Of a linear congruential generator the high bits; which row goes decides no bit.
  random_ = random_ * 6364136223846793005U + 1442695040888963407U;
  return static_cast<std::uint32_t>(((random_ >> 32) * below) >> 32);
}

// --- All rows ------------------------------------------------------------------------------------

bool RowCache::IsWantedWhole(TableId table, PartitionId partition, RowExtents::Run run,
                             RowStore::Which which) const {
  const std::span<const Place> places =
      places_[Index(table)][Index(partition) - options_.range.first];
  std::uint32_t on_disk = 0;
  for (std::uint32_t slot = run.first; slot < run.last && on_disk <= kSingleMax; ++slot) {
    const bool wanted =
        which == RowStore::Which::kAll || options_.changed->Contains(table, partition, slot);
    if (wanted && PositionAt(places[slot].where()) != kNone) ++on_disk;
  }
  return on_disk > kSingleMax;
}

absl::Status RowCache::Visit(TableId table, PartitionId partition, RowStore::Which which,
                             RowStore::Visitor visit) {
  const std::span<const Place> places =
      places_[Index(table)][Index(partition) - options_.range.first];
  RowExtents::Run run;  // Of the extent that the last row was in.
  bool whole = false;
  for (std::uint32_t slot = 0; slot < places.size(); ++slot) {
    const RowKey key = {.table = table, .partition = partition, .slot = slot};
    absl::Status found = options_.mover->status();
    if (found.ok() && slot == run.last) {
      run = options_.extents->RunOf(key);
      whole = IsWantedWhole(table, partition, run, which);
      if (whole) found = options_.extents->ReadExtent(key);
    }
    if (!found.ok()) return found;
    if (which == RowStore::Which::kChanged && !options_.changed->Contains(table, partition, slot)) {
      continue;
    }
    const RowId id = options_.partitioning.IdAt(partition, slot);
    const std::uint32_t where = places[slot].where();
    std::span<const float> row = scratch_;
    if (IsFrame(where)) {
      AwaitRow(where);
      found = options_.mover->status();
      row = RowAt(where);
    } else if (where == kNowhere) {
      options_.maker->Make(table, id, scratch_);
    } else if (whole) {
      found = options_.extents->TakeFromExtent(key, PositionAt(where), scratch_);
    } else {
      found = options_.extents->Read(key, PositionAt(where), scratch_);
    }
    if (found.ok()) found = visit(id, row);
    if (!found.ok()) return found;
  }
  return absl::OkStatus();
}

}  // namespace cf
