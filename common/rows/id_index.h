#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"

namespace cf {

/// Finds the number that a batch has given to an id. What it takes follows the batch and not the
/// table: a hash table whose places carry a stamp, so that nothing is cleared between batches.
///
/// Owner:   whoever makes batches, one for each table.
/// Threads: the owner's.
/// Bounds:  24 to 48 bytes for each id of the largest batch so far.
/// Invariants: at most half of the places are taken, so that a search looks at one or two.
class IdIndex {
 public:
  struct Place {
    RowId id{};
    std::uint32_t stamp = 0;  ///< The batch's first stamp, plus the partition; older: free.
    std::uint32_t number = 0;
  };

  IdIndex() : places_(kPlacesMin) {}

  /// Begins a batch: all places are free. Its stamps are above all earlier ones; every 2^18 batches
  /// they start anew.
  void Begin() {
    taken_ = 0;
    first_stamp_ += kPartitionsMax;
    if (first_stamp_ != 0) return;
    std::ranges::fill(places_, Place());
    first_stamp_ = kPartitionsMax;
  }

  /// The batch's stamp of a partition below kPartitionsMax.
  std::uint32_t StampOf(std::uint32_t partition) const { return first_stamp_ + partition; }

  /// Asks for the place of `id` ahead of time.
  void Prefetch(RowId id) const { __builtin_prefetch(&places_[HomeOf(id)], 1); }

  /// The place of `id`, or a free one for it, which the caller may Take. It holds until the next
  /// Take.
  Place& Find(RowId id) {
    for (std::size_t k = HomeOf(id);; k = (k + 1) & mask_) {
      Place& place = places_[k];
      if (place.stamp < first_stamp_ || place.id == id) return place;
    }
  }
  bool IsFree(const Place& place) const { return place.stamp < first_stamp_; }

  /// Fills a place that Find has found free.
  void Take(Place& place, const Place& with) {
    place = with;
    if (++taken_ > mask_ / 2) Grow();
  }

 private:
  static constexpr std::size_t kPlacesMin = 64;

  /// Fibonacci hashing: consecutive ids, which are the frequent ones, are far apart.
  std::size_t HomeOf(RowId id) const {
    return (static_cast<std::uint32_t>(id) * 0x9e3779b1U) >> shift_;
  }

  void Grow() {
    std::vector<Place> before(2 * places_.size());
    before.swap(places_);
    shift_ = ShiftFor(places_.size());
    mask_ = places_.size() - 1;
    for (const Place& place : before) {
      if (!IsFree(place)) Find(place.id) = place;
    }
  }

  static std::uint32_t ShiftFor(std::size_t places) {
    return 32 - static_cast<std::uint32_t>(std::countr_zero(places));
  }

  std::vector<Place> places_;          // A power of two.
  std::size_t mask_ = kPlacesMin - 1;  // Their number less 1.
  std::uint32_t shift_ = ShiftFor(kPlacesMin);
  std::uint32_t first_stamp_ = 0;
  std::size_t taken_ = 0;
};

}  // namespace cf
