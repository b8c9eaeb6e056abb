#include "paramserver/frozen_rows.h"

#include <algorithm>
#include <cstring>
#include <stop_token>
#include <sys/mman.h>
#include <utility>

#include "common/model/layout.h"

namespace cf {
namespace {

// A record is floats and, with dense Adam, a last step: words that are copied as they are.
static_assert(sizeof(float) == sizeof(std::uint32_t));

/// Has the system provide memory that nobody has touched. What it does not provide now it does when
/// it is touched; what is in it stays.
void Provide(const std::stop_token& stop, std::span<std::byte> memory) {
  constexpr std::size_t kPiece = std::size_t{2} << 20;
  while (!memory.empty() && !stop.stop_requested()) {
    const std::span<std::byte> piece = memory.first(std::min(kPiece, memory.size()));
    if (::madvise(piece.data(), piece.size(), MADV_POPULATE_WRITE) != 0) return;
    memory = memory.subspan(piece.size());
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<FrozenMemory>> FrozenMemory::Open(std::size_t bytes) {
  const std::size_t chunks = bytes / kChunkBytes;
  absl::StatusOr<Arena> arena = Arena::Map(chunks * kChunkBytes);
  if (!arena.ok()) return arena.status();
  return std::unique_ptr<FrozenMemory>(new FrozenMemory(*std::move(arena), chunks));
}

FrozenMemory::FrozenMemory(Arena arena, std::size_t chunks) : arena_(std::move(arena)) {
  free_.reserve(chunks);
  // The first chunks are taken first, so that no more pages are used than the copies fill.
  for (std::size_t k = chunks; k > 0; --k) {
    free_.push_back(reinterpret_cast<std::uint32_t*>(arena_.data() + (k - 1) * kChunkBytes));
  }
  if (chunks == 0) return;
  provider_ = std::jthread([this, chunks](const std::stop_token& stop) {
    Provide(stop, {arena_.data(), chunks * kChunkBytes});
  });
}

std::uint32_t* FrozenMemory::Take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return nullptr;
  std::uint32_t* const chunk = free_.back();
  free_.pop_back();
  return chunk;
}

void FrozenMemory::Give(std::span<std::uint32_t* const> chunks) {
  const std::lock_guard lock(mutex_);
  free_.insert(free_.end(), chunks.rbegin(), chunks.rend());
}

FrozenRows::FrozenRows(FrozenMemory* memory, const std::vector<TableSpec>* tables)
    : memory_(memory), tables_(tables) {
}

FrozenRows::FrozenRows(FrozenRows&& other) noexcept
    : memory_(other.memory_),
      tables_(other.tables_),
      chunks_(std::exchange(other.chunks_, {})),
      words_(std::exchange(other.words_, 0)) {
}

FrozenRows& FrozenRows::operator=(FrozenRows&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(tables_, other.tables_);
  std::swap(chunks_, other.chunks_);
  std::swap(words_, other.words_);
  return *this;
}

FrozenRows::~FrozenRows() {
  if (!chunks_.empty()) memory_->Give(chunks_);
}

bool FrozenRows::Add(TableId table, RowId id, std::span<const float> row) {
  const RowLayout layout((*tables_)[Index(table)].shape);
  const std::size_t record = layout.record_floats();
  const std::uint32_t head[kHeadWords] = {static_cast<std::uint32_t>(table),
                                          static_cast<std::uint32_t>(id)};
  const std::size_t at = words_ % FrozenMemory::kChunkWords;
  if (at > 0 && FrozenMemory::kChunkWords - at >= kHeadWords + record) {
    std::uint32_t* const to = chunks_[words_ / FrozenMemory::kChunkWords] + at;
    std::memcpy(to, head, sizeof head);
    layout.ToRecord(row.data(), reinterpret_cast<float*>(to + kHeadWords));
    words_ += kHeadWords + record;
    return true;
  }
  scratch_.resize(record);
  layout.ToRecord(row.data(), reinterpret_cast<float*>(scratch_.data()));
  const std::size_t before = words_;
  if (Append(head, kHeadWords) && Append(scratch_.data(), record)) return true;
  words_ = before;
  return false;
}

bool FrozenRows::Append(const std::uint32_t* words, std::size_t count) {
  while (count > 0) {
    const std::size_t at = words_ % FrozenMemory::kChunkWords;
    // A row that found no room may have left a chunk behind that nothing is in yet.
    if (words_ == chunks_.size() * FrozenMemory::kChunkWords) {
      std::uint32_t* const chunk = memory_->Take();
      if (chunk == nullptr) return false;
      chunks_.push_back(chunk);
    }
    const std::size_t piece = std::min(count, FrozenMemory::kChunkWords - at);
    std::memcpy(chunks_[words_ / FrozenMemory::kChunkWords] + at, words,
                piece * sizeof(std::uint32_t));
    words += piece;
    count -= piece;
    words_ += piece;
  }
  return true;
}

absl::Status FrozenRows::Visit(Visitor visit) const {
  std::size_t at = 0;
  const auto read = [&](std::uint32_t* to, std::size_t count) {
    while (count > 0) {
      const std::size_t in_chunk = at % FrozenMemory::kChunkWords;
      const std::size_t piece = std::min(count, FrozenMemory::kChunkWords - in_chunk);
      std::memcpy(to, chunks_[at / FrozenMemory::kChunkWords] + in_chunk,
                  piece * sizeof(std::uint32_t));
      to += piece;
      count -= piece;
      at += piece;
    }
  };
  std::vector<float> record;
  while (at < words_) {
    std::uint32_t head[kHeadWords];
    read(head, kHeadWords);
    record.resize(RowLayout((*tables_)[head[0]].shape).record_floats());
    read(reinterpret_cast<std::uint32_t*>(record.data()), record.size());
    absl::Status visited = visit(TableId{head[0]}, RowId{head[1]}, record);
    if (!visited.ok()) return visited;
  }
  return absl::OkStatus();
}

}  // namespace cf
