#include "paramserver/forwarded_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

// The least number of rows of a chunk, and so of a read.
constexpr std::size_t kRowsOfChunk = 16;
// Chunks beside those that rows fill.
constexpr std::uint64_t kChunksOfPartition = 8;
// Rows that are wanted sooner than that had better stay, and of those that are said to be wanted so
// late nothing more is known.
constexpr std::uint32_t kGapMin = 16;
constexpr std::uint32_t kGapMax = 0xffff;
// A window is at least 2^kExactBits times as far away as it is long.
constexpr std::uint32_t kExactBits = 5;
// A read that takes longer is waited for.
constexpr std::uint32_t kBatchesOfRead = 3;

}  // namespace

std::size_t ForwardedRows::BufferBytes(std::size_t stride) {
  return InWholePages(kRowsOfChunk * EntryBytes(stride));
}

ForwardedRows::Sizes ForwardedRows::SizesFor(std::size_t stride, std::uint64_t rows,
                                             std::uint32_t partitions) {
  const std::uint64_t of_chunk = BufferBytes(stride) / EntryBytes(stride);
  // Some are not full, and one has yet to be free when its rows have been given back.
  const std::uint64_t chunks = rows / of_chunk + kChunksOfPartition * std::uint64_t{partitions};
  return {.memory = sizeof(ForwardedRows) + chunks * sizeof(std::uint32_t),
          .disk = chunks * BufferBytes(stride)};
}

ForwardedRows::ForwardedRows(const Options& options)
    : options_(options),
      entry_bytes_(EntryBytes(options.stride)),
      buffer_bytes_(BufferBytes(options.stride)),
      rows_of_chunk_(static_cast<std::uint32_t>(buffer_bytes_ / entry_bytes_)),
      pages_(MakePages(options.buffers * buffer_bytes_)),
      buffers_(std::make_unique<Buffer[]>(options.buffers)),
      after_(SizesFor(options.stride, options.rows, options.partitions).disk / buffer_bytes_) {
  Check(options.buffers >= kBuffersMin, "there are buffers enough");
  // What is behind the rows of a chunk is written, too.
  std::memset(pages_.get(), 0, options.buffers * buffer_bytes_);
  for (std::uint32_t k = options.buffers; k-- > 0;) free_buffers_.push_back(k);
  for (auto k = static_cast<std::uint32_t>(after_.size()); k-- > 0;) {
    after_[k] = free_chunks_;
    free_chunks_ = k;
  }
}

ForwardedRows::~ForwardedRows() {
  // What is under way points into this object.
  for (const Move& move : writing_) options_.mover->Await(buffers_[move.buffer].progress);
  for (const Move& move : reading_) options_.mover->Await(buffers_[move.buffer].progress);
}

std::uint32_t ForwardedRows::LevelOf(std::uint32_t gap) {
  const auto bits = static_cast<std::uint32_t>(std::bit_width(gap));
  return bits <= kExactBits + 1 ? 0 : bits - kExactBits - 1;
}

// --- To disk -------------------------------------------------------------------------------------

bool ForwardedRows::Append(RowKey key, RowId id, std::span<const float> row, std::uint32_t next) {
  const std::uint32_t gap = next - now_;
  if (next <= now_ || gap < kGapMin || gap >= kGapMax) return false;
  const std::uint32_t level = LevelOf(gap);
  Window& window = WindowOf(level, next >> level);
  if (window.filling == kNone) {
    // Of what is free a part is for what comes back.
    window.filling = TakeBuffer(options_.buffers / 4);
    if (window.filling == kNone) return false;
    buffers_[window.filling].rows = 0;
  }
  Buffer& buffer = buffers_[window.filling];
  if (buffer.rows == rows_of_chunk_) return false;
  std::byte* const entry = PagesOf(window.filling) + buffer.rows * entry_bytes_;
  const std::size_t stored = stored_row::BytesFor(row.size());
  stored_row::Store(key, row, {entry, stored});
  const Header header = {.id = id, .table = static_cast<std::uint32_t>(key.table), .next = next};
  std::memcpy(entry + stored, &header, sizeof(header));
  // Without a free chunk a window with a whole one takes no more.
  if (++buffer.rows == rows_of_chunk_ && free_chunks_ != kNone) Write(window);
  return true;
}

std::uint32_t ForwardedRows::TakeBuffer(std::uint32_t kept) {
  std::size_t done = 0;
  while (done < writing_.size() &&
         !RowMover::IsUnderWay(buffers_[writing_[done].buffer].progress)) {
    Free(writing_[done++].buffer);
  }
  writing_.erase(writing_.begin(), writing_.begin() + static_cast<std::ptrdiff_t>(done));
  if (free_buffers_.size() <= kept) return kNone;
  const std::uint32_t buffer = free_buffers_.back();
  free_buffers_.pop_back();
  return buffer;
}

void ForwardedRows::Write(Window& window) {
  Buffer& of = buffers_[window.filling];
  if (of.rows < rows_of_chunk_) {
    const Header end = {.table = kNone};
    std::memcpy(PagesOf(window.filling) + (of.rows + 1) * entry_bytes_ - sizeof(end), &end,
                sizeof(end));
  }
  const std::uint32_t chunk = free_chunks_;
  free_chunks_ = after_[chunk];
  after_[chunk] = window.chunks;
  window.chunks = chunk;
  ++window.count;
  const std::uint32_t buffer = std::exchange(window.filling, kNone);
  buffers_[buffer].progress.store(Progress::kUnderWay, std::memory_order_relaxed);
  writing_.push_back({.buffer = buffer, .chunk = chunk, .since = now_});
  options_.mover->Begin(RowMover::Write{.at = PlaceOf(chunk),
                                        .pages = {PagesOf(buffer), buffer_bytes_},
                                        .progress = &buffers_[buffer].progress});
}

void ForwardedRows::AwaitWrite(std::uint32_t chunk) {
  for (const Move& move : writing_) {
    if (move.chunk == chunk) options_.mover->Await(buffers_[move.buffer].progress);
  }
}

// --- From disk -----------------------------------------------------------------------------------

void ForwardedRows::Advance(std::uint32_t now, absl::FunctionRef<void(const Copy& copy)> receive) {
  now_ = now;
  std::size_t came = 0;
  for (; came < reading_.size(); ++came) {
    const Move& move = reading_[came];
    const Buffer& buffer = buffers_[move.buffer];
    if (RowMover::IsUnderWay(buffer.progress) && now < move.since + kBatchesOfRead) break;
    options_.mover->Await(buffer.progress);
    // What could not be read is something else.
    if (options_.mover->status().ok()) Give(move.buffer, PlaceOf(move.chunk), receive);
    Free(move.buffer);
    after_[move.chunk] = free_chunks_;
    free_chunks_ = move.chunk;
  }
  reading_.erase(reading_.begin(), reading_.begin() + static_cast<std::ptrdiff_t>(came));
  for (std::uint32_t level = 0; level < kLevels; ++level) {
    // Nearer ones get no more rows, and need no buffer if it is worth a write.
    const std::uint64_t near = now + (std::uint64_t{1} << (level + kExactBits));
    for (; std::uint64_t{closed_[level] + 1} << level <= near; ++closed_[level]) {
      Window& window = WindowOf(level, closed_[level]);
      if (window.filling != kNone && free_chunks_ != kNone &&
          buffers_[window.filling].rows >= rows_of_chunk_ / 4) {
        Write(window);
      }
    }
    const std::uint64_t soon = std::uint64_t{now} + LeadOf(level) + kBatchesOfRead;
    for (; std::uint64_t{due_[level]} << level <= soon; ++due_[level]) {
      BeginDelivery(WindowOf(level, due_[level]), level, receive);
    }
  }
  BeginReads();
}

void ForwardedRows::BeginDelivery(Window& window, std::uint32_t level,
                                  absl::FunctionRef<void(const Copy& copy)> receive) {
  if (window.filling != kNone) {
    Give(window.filling, 0, receive);
    Free(window.filling);
  }
  if (window.count > 0) {
    const std::uint32_t lead = LeadOf(level);
    deliveries_.push_back({.chunks = window.chunks, .of_batch = (window.count + lead - 1) / lead});
  }
  window = Window();
}

void ForwardedRows::Give(std::uint32_t buffer, std::uint64_t at,
                         absl::FunctionRef<void(const Copy& copy)> receive) {
  const std::byte* entry = PagesOf(buffer);
  const std::size_t stored = entry_bytes_ - sizeof(Header);
  for (std::uint32_t k = 0; k < buffers_[buffer].rows; ++k, entry += entry_bytes_) {
    Header header;
    std::memcpy(&header, entry + stored, sizeof(header));
    if (header.table == kNone) break;
    receive({.table = TableId{header.table},
             .id = header.id,
             .next = header.next,
             .stored = {entry, stored},
             .at = at + k * entry_bytes_});
  }
}

void ForwardedRows::BeginReads() {
  for (Delivery& delivery : deliveries_) {
    for (std::uint32_t k = 0; k < delivery.of_batch && delivery.chunks != kNone; ++k) {
      const std::uint32_t buffer = TakeBuffer(0);
      if (buffer == kNone) return;
      const std::uint32_t chunk = delivery.chunks;
      AwaitWrite(chunk);
      buffers_[buffer].progress.store(Progress::kUnderWay, std::memory_order_relaxed);
      buffers_[buffer].rows = rows_of_chunk_;
      reading_.push_back({.buffer = buffer, .chunk = chunk, .since = now_});
      options_.mover->Begin(RowMover::Load{.at = PlaceOf(chunk),
                                           .pages = {PagesOf(buffer), buffer_bytes_},
                                           .progress = &buffers_[buffer].progress});
      delivery.chunks = after_[chunk];
    }
  }
  std::erase_if(deliveries_, [](const Delivery& delivery) { return delivery.chunks == kNone; });
}

}  // namespace cf
