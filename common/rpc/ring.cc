#include "common/rpc/ring.h"

#include "common/base/check.h"

namespace cf {
namespace {

constexpr std::size_t kAlignment = 64;

}  // namespace

void RingWriter::TakeReleased() {
  const std::uint32_t released = control_->released.load(std::memory_order_acquire);
  // A count that cannot be frees nothing.
  if (released - released_ <= committed_ - released_) released_ = released;
}

std::span<std::byte> RingWriter::Reserve(std::size_t bytes) {
  Check(bytes > 0, "a record has bytes");
  TakeReleased();
  if (committed_ - released_ == kRingSlots || bytes > data_.size()) return {};
  const std::size_t needed = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  std::size_t offset = 0;
  if (committed_ != released_) {
    const Extent& oldest = extents_[released_ % kRingSlots];
    const Extent& newest = extents_[(committed_ - 1) % kRingSlots];
    const std::size_t end = newest.offset + newest.bytes;
    const bool wrapped = newest.offset < oldest.offset;
    if (wrapped) {
      if (oldest.offset - end < needed) return {};
      offset = end;
    } else if (oldest.offset < needed) {
      if (data_.size() - end < needed) return {};
      offset = end;
    }
  }
  if (needed > data_.size()) return {};
  reserved_ = {.offset = offset, .bytes = needed};
  reserved_bytes_ = bytes;
  return data_.subspan(offset, bytes);
}

void RingWriter::Commit() {
  Check(reserved_bytes_ > 0, "a record is reserved before it is committed");
  const std::uint32_t slot = committed_ % kRingSlots;
  extents_[slot] = reserved_;
  control_->slots[slot].store(
      std::uint64_t{reserved_.offset / kAlignment} << 32 | std::uint64_t{reserved_bytes_},
      std::memory_order_relaxed);
  reserved_bytes_ = 0;
  control_->committed.store(++committed_, std::memory_order_release);
}

absl::StatusOr<std::span<std::byte>> RingReader::Front() const {
  const std::uint32_t committed = control_->committed.load(std::memory_order_acquire);
  if (committed == taken_) return std::span<std::byte>();
  const std::uint64_t slot = control_->slots[taken_ % kRingSlots].load(std::memory_order_relaxed);
  const std::size_t offset = (slot >> 32) * kAlignment;
  const std::size_t bytes = slot & 0xffffffffU;
  if (committed - released_ > kRingSlots || committed - taken_ > kRingSlots || bytes == 0 ||
      offset > data_.size() || bytes > data_.size() - offset) {
    return absl::DataLossError("a peer damaged the memory that it shares with this rank");
  }
  return data_.subspan(offset, bytes);
}

void RingReader::Release(std::uint32_t record) {
  Check(record - released_ < taken_ - released_, "a record is given back once");
  done_.set(record % kRingSlots);
  while (released_ != taken_ && done_.test(released_ % kRingSlots)) {
    done_.reset(released_ % kRingSlots);
    ++released_;
  }
  control_->released.store(released_, std::memory_order_release);
}

}  // namespace cf
