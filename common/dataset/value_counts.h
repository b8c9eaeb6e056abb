#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace cf {

/// The distinct values of a column and how often each occurs, where they are few, as of ratings they
/// are. Parts of a column can be counted apart.
///
/// Owner:   whoever describes a column, or one of the threads that write it.
/// Threads: not thread-safe.
/// Bounds:  64 KiB. A column of more than kDistinctMax values is not counted.
class ValueCounts {
 public:
  struct Entry {
    float value = 0;
    std::uint64_t count = 0;
  };

  void Add(std::span<const float> values);
  void Add(const ValueCounts& others);

  /// Whether there are at most kDistinctMax values; if not, nothing is known of them.
  bool complete() const { return complete_; }

  /// Ascending, -0 before 0. Requires: complete().
  std::vector<Entry> Entries() const;

 private:
  static constexpr int kSlotBits = 12;
  static constexpr std::size_t kSlots = 1 << kSlotBits;
  static constexpr std::size_t kDistinctMax = kSlots / 4;  // So that probes are short.

  void Add(float value, std::uint64_t count);

  // A hash table with linear probing; a slot with a count of 0 is empty.
  std::vector<Entry> slots_ = std::vector<Entry>(kSlots);
  std::size_t distinct_ = 0;
  bool complete_ = true;
};

}  // namespace cf
