#include "paramserver/disk_store.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"

namespace cf {
namespace {

/// About a MiB: slabs are written and read whole, so nothing is gained by smaller pieces.
constexpr std::size_t kPieceBytes = 85 * PieceFile::kPieceUnit;

std::size_t BytesOf(const RowStore::Table& table, std::uint32_t rows) {
  return rows * table.stride * sizeof(float);
}

/// Whether partition `k` of `count` is one of the `kept` that stay, at even distances.
bool Stays(std::uint64_t k, std::uint64_t count, std::uint64_t kept) {
  return (k + 1) * kept / count > k * kept / count;
}

}  // namespace

std::size_t DiskStore::FrameBytes(const Table& users, Partitioning partitioning) {
  // Slabs go past the system's cache.
  return InWholePages(BytesOf(users, partitioning.RowsMax(users.rows)));
}

std::size_t DiskStore::OtherBytes(std::span<const Table> tables, Partitioning partitioning,
                                  SeatRange range) {
  std::size_t bytes = 0;
  for (std::size_t t = 0; t < tables.size(); ++t) {
    if (t == Index(kUsers)) continue;
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      bytes += BytesOf(tables[t], tables[t].RoomFor(partitioning, PartitionId{p}));
    }
  }
  return bytes;
}

absl::StatusOr<std::unique_ptr<DiskStore>> DiskStore::Open(Options options) {
  const std::uint32_t partitions = options.range.size();
  options.frames = std::min(options.frames, partitions);
  Check(options.frames == partitions || options.frames >= FramesMin(options.threads),
        "there is room for what the threads need at once");
  absl::StatusOr<Arena> arena =
      Arena::Map(OtherBytes(options.tables, options.partitioning, options.range) +
                 options.frames * FrameBytes(options.tables[Index(kUsers)], options.partitioning));
  if (!arena.ok()) return arena.status();
  std::optional<Slabs> slabs;
  if (options.frames < partitions) {
    absl::StatusOr<Slabs> opened = OpenSlabs(options);
    if (!opened.ok()) return opened.status();
    slabs = *std::move(opened);
  }
  return std::unique_ptr<DiskStore>(
      new DiskStore(std::move(options), *std::move(arena), std::move(slabs)));
}

absl::StatusOr<DiskStore::Slabs> DiskStore::OpenSlabs(const Options& options) {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(options.directory);
  if (!folder.ok()) return folder.status();
  // Room for those that never move takes none on the disk.
  const std::vector<std::uint64_t> bytes(
      options.range.size(), FrameBytes(options.tables[Index(kUsers)], options.partitioning));
  absl::StatusOr<std::unique_ptr<PieceFile>> file = PieceFile::Create(
      absl::StrCat(folder->path(), "/users"), bytes, kPieceBytes, PieceFile::Access::kDirect);
  if (!file.ok()) return file.status();
  return Slabs{.folder = *std::move(folder), .file = *std::move(file)};
}

DiskStore::DiskStore(Options options, Arena arena, std::optional<Slabs> slabs)
    : options_(std::move(options)),
      arena_(std::move(arena)),
      on_disk_(std::move(slabs)),
      frame_bytes_(FrameBytes(options_.tables[Index(kUsers)], options_.partitioning)),
      slabs_(options_.tables.size()),
      place_in_moving_(options_.range.size()),
      changed_(options_.tables, options_.partitioning, options_.range) {
  std::byte* at = arena_.data();
  const std::uint32_t partitions = options_.range.size();
  const std::uint32_t turning =
      options_.frames < partitions ? FramesThatMove(options_.frames, options_.threads) : 0;
  const std::uint32_t kept = options_.frames - turning;
  // First, so that they begin with a page.
  for (std::uint32_t frame = 0; frame < turning; ++frame) {
    free_.push_back(reinterpret_cast<float*>(at));
    at += frame_bytes_;
  }
  for (std::uint32_t k = 0; k < partitions; ++k) {
    const PartitionId partition{options_.range.first + k};
    for (std::size_t t = 0; t < options_.tables.size(); ++t) {
      const TableId table{static_cast<std::uint32_t>(t)};
      if (IsUsers(table) && !Stays(k, partitions, kept)) {
        place_in_moving_[k] = static_cast<std::uint32_t>(moving_.size());
        moving_.push_back({.slab = k});
        slabs_[t].push_back(nullptr);
        continue;
      }
      slabs_[t].push_back(reinterpret_cast<float*>(at));
      at +=
          BytesOf(options_.tables[t], options_.tables[t].RoomFor(options_.partitioning, partition));
    }
  }
  if (turning == 0) return;
  reader_ = std::jthread([this](const std::stop_token& stop) { ReadAhead(stop); });
  writer_ = std::jthread([this](const std::stop_token& stop) { WriteBehind(stop); });
}

DiskStore::~DiskStore() {
  for (std::jthread* const thread : {&reader_, &writer_}) {
    thread->request_stop();
    if (thread->joinable()) thread->join();
  }
}

DiskStore::Moving* DiskStore::MovingOf(TableId table, PartitionId partition) {
  if (SlabAt(table, partition) != nullptr || !IsUsers(table)) return nullptr;
  return &moving_[place_in_moving_[SlabOf(partition)]];
}

// --- Pinning -------------------------------------------------------------------------------------

void DiskStore::Announce(TableId /*table*/, std::span<const RowId> /*ids*/) {
  // Partitions come whole.
}

void DiskStore::AnnouncePartition(TableId table, PartitionId partition) {
  Moving* const moving = MovingOf(table, partition);
  if (moving == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    AnnounceMoving(*moving);
  }
  changes_.notify_all();
}

void DiskStore::AnnounceMoving(Moving& moving) {
  if (moving.announced || moving.pins > 0) return;
  moving.announced = true;
  if (moving.state == Moving::State::kHere) return;
  announced_.push_back(static_cast<std::size_t>(&moving - moving_.data()));
}

absl::Status DiskStore::Pin(TableId table, std::span<const RowId> ids, Access access,
                            std::span<float*> rows) {
  const std::size_t stride = options_.tables[Index(table)].stride;
  Lock lock(mutex_, std::defer_lock);
  if (IsUsers(table) && !moving_.empty()) lock.lock();
  for (std::size_t k = 0; k < ids.size(); ++k) {
    const PartitionId partition = options_.partitioning.Of(ids[k]);
    const std::uint32_t slot = options_.partitioning.SlotOf(ids[k]);
    float* slab = SlabAt(table, partition);
    if (slab == nullptr) {
      Moving& moving = *MovingOf(table, partition);
      const bool comes = moving.state != Moving::State::kHere || moving.announced;
      if (absl::Status pinned = PinMoving(lock, moving); !pinned.ok()) {
        lock.unlock();
        Release(table, ids.first(k));
        return pinned;
      }
      moving.differs = moving.differs || access == Access::kUpdate;
      slab = moving.frame;
      // Who wants rows one by one goes through the partitions all the same, ascending.
      if (comes && &moving != &moving_.back()) {
        AnnounceMoving(*(&moving + 1));
        changes_.notify_all();
      }
    }
    rows[k] = slab + slot * stride;
    if (access == Access::kUpdate) changed_.Mark(table, partition, slot);
  }
  return absl::OkStatus();
}

void DiskStore::Release(TableId table, std::span<const RowId> ids) {
  if (!IsUsers(table) || moving_.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (const RowId id : ids) {
      Moving* const moving = MovingOf(table, options_.partitioning.Of(id));
      if (moving != nullptr) ReleaseMoving(*moving);
    }
  }
  changes_.notify_all();
}

absl::StatusOr<float*> DiskStore::PinPartition(TableId table, PartitionId partition) {
  Moving* const moving = MovingOf(table, partition);
  if (moving == nullptr) return SlabAt(table, partition);
  Lock lock(mutex_);
  if (absl::Status pinned = PinMoving(lock, *moving); !pinned.ok()) return pinned;
  return moving->frame;
}

void DiskStore::ReleasePartition(TableId table, PartitionId partition) {
  Moving* const moving = MovingOf(table, partition);
  if (moving == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    ReleaseMoving(*moving);
    moving->released_whole = moving->pins == 0;
  }
  changes_.notify_all();
}

void DiskStore::MarkChanged(TableId table, PartitionId partition,
                            std::span<const std::uint32_t> slots) {
  for (const std::uint32_t slot : slots) changed_.Mark(table, partition, slot);
  Moving* const moving = MovingOf(table, partition);
  if (moving != nullptr && !slots.empty()) moving->differs = true;
}

absl::Status DiskStore::Visit(TableId table, PartitionId partition, Which which, Visitor visit) {
  const Table& of = options_.tables[Index(table)];
  const std::uint32_t rows = options_.partitioning.RowsIn(partition, of.rows);
  const auto is_visited = [&](std::uint32_t slot) {
    return which == Which::kAll || changed_.Contains(table, partition, slot);
  };
  std::uint32_t slot = 0;
  while (slot < rows && !is_visited(slot)) ++slot;
  if (slot == rows) return absl::OkStatus();
  const absl::StatusOr<float*> slab = PinPartition(table, partition);
  if (!slab.ok()) return slab.status();
  absl::Status visited;
  for (; slot < rows && visited.ok(); ++slot) {
    if (!is_visited(slot)) continue;
    visited =
        visit(options_.partitioning.IdAt(partition, slot), {*slab + slot * of.stride, of.stride});
  }
  ReleasePartition(table, partition);
  return visited;
}

std::uint64_t DiskStore::Rows(PartitionId partition) const {
  std::uint64_t rows = 0;
  for (const Table& table : options_.tables) {
    rows += options_.partitioning.RowsIn(partition, table.rows);
  }
  return rows;
}

DiskStore::Traffic DiskStore::traffic() {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

// --- Moving --------------------------------------------------------------------------------------

absl::Status DiskStore::PinMoving(Lock& lock, Moving& wanted) {
  using State = Moving::State;
  for (;;) {
    if (!failed_.ok()) return failed_;
    if (wanted.state == State::kHere) {
      ++wanted.pins;
      wanted.announced = false;
      wanted.released_whole = false;
      return absl::OkStatus();
    }
    if (wanted.state == State::kMoving) {
      changes_.wait(lock);
      continue;
    }
    wanted.state = State::kMoving;
    absl::StatusOr<float*> frame = TakeFrame(lock, /*for_pin=*/true);
    if (frame.ok() && *frame != nullptr) {
      absl::Status read = Read(lock, wanted, *frame);
      if (!read.ok()) return read;
      continue;
    }
    wanted.state = State::kAway;
    changes_.notify_all();
    if (!frame.ok()) return frame.status();
    const auto moves = [](const Moving& moving) { return moving.state == State::kMoving; };
    if (std::ranges::none_of(moving_, moves)) {
      return absl::ResourceExhaustedError(
          "more partitions of users are pinned than the budget of memory has room for");
    }
    changes_.wait(lock);
  }
}

void DiskStore::ReleaseMoving(Moving& moving) {
  Check(moving.pins > 0, "what is released was pinned");
  --moving.pins;
}

absl::StatusOr<float*> DiskStore::TakeFrame(Lock& lock, bool for_pin) {
  using State = Moving::State;
  if (!free_.empty()) {
    float* const frame = free_.back();
    free_.pop_back();
    return frame;
  }
  // What need not be written comes first, what is about to be used last.
  const auto cost = [](const Moving& moving) {
    return (moving.announced ? 2 : 0) + (moving.differs ? 1 : 0);
  };
  Moving* victim = nullptr;
  for (Moving& moving : moving_) {
    if (moving.state != State::kHere || moving.pins > 0) continue;
    if (moving.announced && !for_pin) continue;
    if (victim == nullptr || cost(moving) < cost(*victim)) victim = &moving;
  }
  if (victim == nullptr) return nullptr;
  victim->state = State::kMoving;
  if (victim->differs) {
    absl::Status written = Write(lock, *victim);
    if (!written.ok()) {
      victim->state = State::kHere;
      changes_.notify_all();
      return written;
    }
  }
  victim->state = State::kAway;
  victim->announced = false;
  changes_.notify_all();
  return std::exchange(victim->frame, nullptr);
}

absl::Status DiskStore::Write(Lock& lock, Moving& moving) {
  lock.unlock();
  absl::Status written = on_disk_->file->Write(moving.slab, 0, FrameAt(moving.frame));
  lock.lock();
  if (!written.ok()) {
    if (failed_.ok()) failed_ = written;
    return written;
  }
  moving.differs = false;
  moving.written = true;
  ++traffic_.slabs_written;
  return absl::OkStatus();
}

absl::Status DiskStore::Read(Lock& lock, Moving& moving, float* frame) {
  const bool written = moving.written;
  lock.unlock();
  absl::Status read;
  if (written) {
    read = on_disk_->file->Read(moving.slab, 0, FrameAt(frame));
  } else {
    std::ranges::fill(FrameAt(frame), std::byte{0});
  }
  lock.lock();
  if (read.ok()) {
    moving.frame = frame;
    moving.state = Moving::State::kHere;
    if (written) ++traffic_.slabs_read;
  } else {
    free_.push_back(frame);
    moving.state = Moving::State::kAway;
    if (failed_.ok()) failed_ = read;
  }
  changes_.notify_all();
  return read;
}

void DiskStore::ReadAhead(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (changes_.wait(lock, stop, [this] { return !announced_.empty(); })) {
    Moving& moving = moving_[announced_.front()];
    announced_.pop_front();
    if (moving.state != Moving::State::kAway) continue;
    moving.state = Moving::State::kMoving;
    const absl::StatusOr<float*> frame =
        failed_.ok() ? TakeFrame(lock, /*for_pin=*/false) : absl::StatusOr<float*>(failed_);
    if (frame.ok() && *frame != nullptr) {
      // An error is told to whoever pins it.
      Read(lock, moving, *frame).IgnoreError();
      continue;
    }
    moving.state = Moving::State::kAway;
    moving.announced = false;
    changes_.notify_all();
  }
}

DiskStore::Moving* DiskStore::FindToWrite() {
  const auto found = std::ranges::find_if(moving_, [](const Moving& moving) {
    return moving.state == Moving::State::kHere && moving.released_whole && moving.differs &&
           !moving.announced;
  });
  return found == moving_.end() ? nullptr : &*found;
}

void DiskStore::WriteBehind(const std::stop_token& stop) {
  Lock lock(mutex_);
  while (changes_.wait(lock, stop, [this] { return failed_.ok() && FindToWrite() != nullptr; })) {
    Moving& moving = *FindToWrite();
    moving.state = Moving::State::kMoving;
    // An error is told to whoever pins anything.
    Write(lock, moving).IgnoreError();
    moving.state = Moving::State::kHere;
    changes_.notify_all();
  }
}

}  // namespace cf
