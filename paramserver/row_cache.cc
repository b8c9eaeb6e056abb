#include "paramserver/row_cache.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

// Of how many frames the least used goes. More come little nearer to the least of all.
constexpr std::uint32_t kLookedAt = 16;
// So that one is written while others wait or fill.
constexpr std::uint32_t kBatches = 4;
constexpr std::uint32_t kBatchRowsMax = 1024;
// Reads that are handed over together: the first of them are under way while the others are found.
constexpr std::size_t kReadsTogether = 64;
// Uses of a row in the mean before all are halved: enough to tell rows apart, few enough to follow
// what changes.
constexpr std::uint64_t kUsesMean = 8;

}  // namespace

std::uint32_t RowCache::BatchRows(std::uint64_t frames) {
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(frames / 16, 4, kBatchRowsMax));
}

std::size_t RowCache::FrameBytes(std::size_t stride) {
  return sizeof(Frame) + stride * sizeof(float);
}

std::size_t RowCache::BytesBeside(std::uint64_t rows, std::size_t stride) {
  const std::size_t row = stride * sizeof(float);
  // A batch is copied once more on its way into the database.
  const std::size_t leaving = kBatches * (row + sizeof(RowKey) + sizeof(RowId)) + row;
  return rows * sizeof(Place) + BatchRows(rows) * leaving;
}

RowCache::RowCache(Options options)
    : options_(std::move(options)),
      stride_(options_.tables[Index(options_.cached.front())].stride),
      batch_rows_(BatchRows(options_.frames)),
      uses_max_(0),
      places_(options_.tables.size()),
      frames_(std::make_unique<Frame[]>(options_.frames)),
      leaving_(std::make_unique<Leaving[]>(kBatches)),
      scratch_(stride_) {
  Check(options_.frames <= kFramesMax, "a place has room for a frame's number");
  for (const TableId table : options_.cached) {
    const RowStore::Table& of = options_.tables[Index(table)];
    Check(of.stride == stride_, "all rows of a cache have one length");
    for (std::uint32_t p = options_.range.first; p < options_.range.last; ++p) {
      const std::uint32_t rows = options_.partitioning.RowsIn(PartitionId{p}, of.rows);
      places_[Index(table)].emplace_back(rows, Place(kNowhere, 0));
      uses_max_ += rows * kUsesMean;
    }
  }
  for (std::uint32_t k = 0; k < kBatches; ++k) {
    leaving_[k].keys.reserve(batch_rows_);
    leaving_[k].ids.reserve(batch_rows_);
    leaving_[k].rows.resize(batch_rows_ * stride_);
  }
}

RowCache::~RowCache() {
  // What is under way points into this object.
  for (std::uint32_t k = 0; k < taken_; ++k) RowMover::Await(frames_[k].progress);
  for (std::uint32_t k = 0; k < kBatches; ++k) RowMover::Await(leaving_[k].progress);
}

// --- Pinning -------------------------------------------------------------------------------------

void RowCache::Announce(TableId table, std::span<const RowId> ids) {
  for (const RowId id : ids) {
    Place& place = PlaceOf(table, id);
    std::optional<std::uint32_t> frame = place.where();
    if (!IsFrame(place.where())) frame = Bring(table, id, place, Need::kSoon);
    if (!frame.has_value()) break;
    frames_[*frame].announced = true;
  }
  BeginReads();
}

absl::Status RowCache::Pin(TableId table, std::span<const RowId> ids, RowStore::Access access,
                           std::span<float*> rows) {
  absl::Status done = options_.mover->status();
  std::size_t pinned = 0;
  for (; done.ok() && pinned < ids.size(); ++pinned) {
    Place& place = PlaceOf(table, ids[pinned]);
    std::optional<std::uint32_t> at = place.where();
    if (!IsFrame(place.where())) at = Bring(table, ids[pinned], place, Need::kNow);
    if (!at.has_value()) {
      done = absl::ResourceExhaustedError(
          "more rows are pinned than the budget of memory has room for");
      break;
    }
    Frame& frame = frames_[*at];
    ++frame.pins;
    frame.announced = false;
    CountUse(frame);
    rows[pinned] = RowAt(*at);
  }
  figures_.pins += pinned;
  BeginReads();
  // The last was asked for last: once it is there, most others are.
  for (std::size_t k = pinned; k-- > 0;) {
    Frame& frame = frames_[PlaceOf(table, ids[k]).where()];
    RowMover::Await(frame.progress);
    if (access == RowStore::Access::kRead) continue;
    frame.differs = true;
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
  uses_ = 0;
  for (std::uint32_t k = 0; k < taken_; ++k) frames_[k].uses /= 2;
  for (std::vector<std::vector<Place>>& of_table : places_) {
    for (std::vector<Place>& of_partition : of_table) {
      for (Place& place : of_partition) place = Place(place.where(), place.uses() / 2U);
    }
  }
}

// --- Coming and going ----------------------------------------------------------------------------

std::optional<std::uint32_t> RowCache::Bring(TableId table, RowId id, Place& place, Need need) {
  // It may wait, and hand over a batch in which the row itself leaves.
  const std::optional<std::uint32_t> at = TakeFrame(need);
  if (!at.has_value()) return at;
  ++figures_.misses;
  Frame& frame = frames_[*at];
  float* const row = RowAt(*at);
  frame.id = id;
  frame.table = static_cast<std::uint8_t>(table);
  frame.uses = place.uses();
  frame.announced = false;
  frame.differs = false;
  frame.stored = true;
  if (place.where() == kNowhere) {
    ++figures_.made;
    frame.stored = false;
    options_.maker->Make(table, id, {row, stride_});
  } else if (place.where() == kOnDisk) {
    frame.progress.store(RowMover::Progress::kUnderWay, std::memory_order_relaxed);
    reads_.push_back({.key = KeyOf(table, id), .row = {row, stride_}, .progress = &frame.progress});
    if (reads_.size() == kReadsTogether) BeginReads();
  } else {
    // On disk is, until its batch is written, what it was before.
    frame.differs = true;
    std::copy_n(RowThatLeaves(place.where()), stride_, row);
  }
  place = Place(*at, 0);
  return at;
}

std::optional<std::uint32_t> RowCache::TakeFrame(Need need) {
  if (taken_ < options_.frames) return taken_++;
  std::optional<std::uint32_t> frame = LeastUsed();
  if (!frame.has_value() && need == Need::kNow) {
    BeginReads();
    frame = AnyUnpinned();
  }
  if (frame.has_value()) Evict(*frame);
  return frame;
}

std::optional<std::uint32_t> RowCache::LeastUsed() {
  std::optional<std::uint32_t> least;
  for (std::uint32_t k = 0; k < kLookedAt; ++k) {
    const std::uint32_t at = Random(options_.frames);
    const Frame& frame = frames_[at];
    if (frame.pins > 0 || frame.announced || IsReading(frame)) continue;
    if (!least.has_value() || frame.uses < frames_[*least].uses) least = at;
  }
  return least;
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
  if (announced.has_value()) RowMover::Await(frames_[*announced].progress);
  return announced;
}

void RowCache::Evict(std::uint32_t frame) {
  const Frame& leaves = frames_[frame];
  const TableId table{leaves.table};
  const std::uint32_t where = leaves.differs  ? Leave(leaves, RowAt(frame))
                              : leaves.stored ? kOnDisk
                                              : kNowhere;
  PlaceOf(table, leaves.id) = Place(where, leaves.uses);
}

std::uint32_t RowCache::Leave(const Frame& frame, const float* row) {
  if (leaving_[filling_].handed_over) {
    RowMover::Await(leaving_[filling_].progress);
    Retire(leaving_[filling_]);
  }
  Leaving& batch = leaving_[filling_];
  const auto k = static_cast<std::uint32_t>(batch.ids.size());
  batch.keys.push_back(KeyOf(TableId{frame.table}, frame.id));
  batch.ids.push_back(frame.id);
  std::copy_n(row, stride_, batch.rows.data() + k * stride_);
  const std::uint32_t where = options_.frames + filling_ * batch_rows_ + k;
  if (k + 1 == batch_rows_) {
    HandOver(batch);
    filling_ = (filling_ + 1) % kBatches;
  }
  return where;
}

const float* RowCache::RowThatLeaves(std::uint32_t where) const {
  const std::uint32_t k = where - options_.frames;
  return leaving_[k / batch_rows_].rows.data() + (k % batch_rows_) * stride_;
}

void RowCache::HandOver(Leaving& batch) {
  batch.handed_over = true;
  batch.progress.store(RowMover::Progress::kUnderWay, std::memory_order_relaxed);
  options_.mover->Begin(
      {.batch = {.keys = batch.keys, .rows = batch.rows.data(), .floats = stride_},
       .progress = &batch.progress});
}

void RowCache::Retire(Leaving& batch) {
  const auto number = static_cast<std::uint32_t>(&batch - leaving_.get());
  for (std::uint32_t k = 0; k < batch.ids.size(); ++k) {
    Place& place = PlaceOf(batch.keys[k].table, batch.ids[k]);
    // Unless it has come back since.
    if (place.where() == options_.frames + number * batch_rows_ + k) {
      place = Place(kOnDisk, place.uses());
    }
  }
  batch.keys.clear();
  batch.ids.clear();
  batch.handed_over = false;
}

void RowCache::BeginReads() {
  options_.mover->Begin(reads_);
  reads_.clear();
}

std::uint32_t RowCache::Random(std::uint32_t below) {
  // Of a linear congruential generator the high bits; which row goes decides no bit.
  random_ = random_ * 6364136223846793005U + 1442695040888963407U;
  return static_cast<std::uint32_t>(((random_ >> 32) * below) >> 32);
}

// --- All rows ------------------------------------------------------------------------------------

absl::Status RowCache::Visit(TableId table, PartitionId partition, RowStore::Which which,
                             RowStore::Visitor visit) {
  const std::vector<Place>& places = places_[Index(table)][Index(partition) - options_.range.first];
  RowDatabase::Scan scan(*options_.database, table, partition);
  for (std::uint32_t slot = 0; slot < places.size(); ++slot) {
    if (which == RowStore::Which::kChanged && !options_.changed->Contains(table, partition, slot)) {
      continue;
    }
    const RowId id = options_.partitioning.IdAt(partition, slot);
    const std::uint32_t where = places[slot].where();
    const float* row = scratch_.data();
    absl::Status found;
    if (IsFrame(where)) {
      RowMover::Await(frames_[where].progress);
      found = options_.mover->status();
      row = RowAt(where);
    } else if (where == kNowhere) {
      options_.maker->Make(table, id, scratch_);
    } else if (where == kOnDisk) {
      found = scan.Read(slot, scratch_);
    } else {
      row = RowThatLeaves(where);
    }
    if (found.ok()) found = visit(id, {row, stride_});
    if (!found.ok()) return found;
  }
  return absl::OkStatus();
}

}  // namespace cf
