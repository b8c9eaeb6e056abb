#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

#include <absl/status/statusor.h>

namespace cf {

/// Records on their way at once in one ring.
inline constexpr std::uint32_t kRingSlots = 64;

/// What the two ends of a ring tell each other, in memory that both map; zeros at first. Each word
/// is written by one end only.
struct RingControl {
  alignas(64) std::atomic<std::uint32_t> committed{0};  // Records ever sent, modulo 2^32.
  alignas(64) std::atomic<std::uint32_t> released{0};   // Records ever given back.
  // Where record k lies: slots[k mod kRingSlots] is its offset / 64 << 32 | its bytes.
  alignas(64) std::array<std::atomic<std::uint64_t>, kRingSlots> slots{};
};

/// The sending end of a ring of records between one thread of a process and one of another. Each
/// record is one run of bytes, aligned to 64, which the sender fills and the receiver reads where
/// it lies. A record is put as near to the front of the memory as it fits, so that a ring touches
/// no more pages and caches than what is on its way at once.
///
/// Owner:      who maps the memory.
/// Threads:    the sending one.
/// Bounds:     kRingSlots records and the memory; what does not fit must go another way.
/// Invariants: nothing that the receiver writes makes this write outside `data`.
class RingWriter {
 public:
  RingWriter(RingControl* control, std::span<std::byte> data) : control_(control), data_(data) {}

  /// Room for a record, to be filled and committed; empty where there is none. A second call
  /// before Commit gives the same room again. Requires: bytes > 0.
  std::span<std::byte> Reserve(std::size_t bytes);

  /// Sends the record that was reserved last.
  void Commit();

 private:
  struct Extent {
    std::size_t offset = 0;
    std::size_t bytes = 0;  // Rounded up to 64.
  };

  void TakeReleased();

  RingControl* control_;
  std::span<std::byte> data_;
  std::uint32_t committed_ = 0;
  std::uint32_t released_ = 0;
  std::array<Extent, kRingSlots> extents_{};  // Of the records between the two.
  Extent reserved_;
  std::size_t reserved_bytes_ = 0;
};

/// The receiving end.
///
/// Owner:      who maps the memory.
/// Threads:    the receiving one.
/// Invariants: whatever the sender writes, records lie within `data`.
class RingReader {
 public:
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;
  RingReader(RingControl* control, std::span<std::byte> data) : control_(control), data_(data) {}

  /// The oldest record that was not taken; empty where there is none. DataLoss: the sender's words
  /// make no sense.
  absl::StatusOr<std::span<std::byte>> Front() const;

  /// Takes the front's record and returns its number for Release.
  /// Requires: Front has just returned one.
  std::uint32_t Take() { return taken_++; }

  /// Gives a taken record's memory back, in any order.
  void Release(std::uint32_t record);

 private:
  RingControl* control_;
  std::span<std::byte> data_;
  std::uint32_t taken_ = 0;
  std::uint32_t released_ = 0;
  std::bitset<kRingSlots> done_;  // Of the records between the two: given back.
};

}  // namespace cf
