#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/math/random.h"

namespace cf {

/// Of the items that are not taken, the one that `rank` others are below. `taken_at(j)` is the
/// number of taken item j of `taken`, ascending. Requires: there are more than `rank` such items.
template <class TakenAt>
RowId UntakenItem(std::uint32_t rank, std::uint32_t taken, const TakenAt& taken_at) {
  // Below taken item j there are taken_at(j) - j others, which never falls with j.
  std::uint32_t first = 0;
  for (std::uint32_t last = taken; first < last;) {
    const std::uint32_t middle = first + (last - first) / 2;
    if (taken_at(middle) - middle <= rank) {
      first = middle + 1;
    } else {
      last = middle;
    }
  }
  return RowId{rank + first};
}

/// Items of which one user has samples; some samples do not count, so that their items are not taken.
/// `items` ascend, and so do the places `left_out` of those that do not count. All is borrowed.
struct TakenItems {
  std::span<const RowId> items;
  std::span<const std::uint32_t> left_out;

  std::uint32_t size() const { return static_cast<std::uint32_t>(items.size() - left_out.size()); }

  /// As UntakenItem, in as many steps.
  RowId Untaken(std::uint32_t rank) const {
    // Items that are left out are not taken, so they have ranks: those of the item at `left_out[k]`
    // never fall with k. Between two of them all count.
    const auto out_of = [this](std::uint32_t k) {
      return static_cast<std::uint32_t>(items[left_out[k]]) - left_out[k];
    };
    std::uint32_t out = 0;
    for (auto last = static_cast<std::uint32_t>(left_out.size()); out < last;) {
      const std::uint32_t middle = out + (last - out) / 2;
      if (out_of(middle) + middle <= rank) {
        out = middle + 1;
      } else {
        last = middle;
      }
    }
    const std::uint32_t first = out == 0 ? 0 : left_out[out - 1] + 1;
    const std::size_t end = out == left_out.size() ? items.size() : left_out[out];
    return UntakenItem(
        rank + first - out, static_cast<std::uint32_t>(end - first),
        [this, first](std::uint32_t j) { return static_cast<std::uint32_t>(items[first + j]); });
  }
};

/// Draws the negatives that follow the samples of an epoch (docs/arithmetic.md).
///
/// Owner:      a value.
/// Threads:    any; constant.
/// Bounds:     two logarithms of the user's samples a negative; nothing is rejected.
/// Invariants: what is drawn is a function of the key, the sample's user and item, and the items
///          that are taken: not of where, when or in which order samples are worked through.
class Negatives {
 public:
  /// Those that follow sample after sample of `epoch`, `count` of each.
  static Negatives OfEpoch(std::uint64_t seed, std::uint64_t epoch, std::uint32_t count) {
    return Negatives(seed, epoch, count);
  }
  /// Those of samples that are only scored: the same whatever the epoch and the seed, so that
  /// losses of epochs and runs compare.
  static Negatives OfScoring(std::uint32_t count) { return Negatives(0, kScoring, count); }

  /// Puts into `drawn` the negatives of the sample of `user` and `item`: of the `items` there are
  /// those that are not taken, each as likely as the other, some perhaps twice. None where all are.
  void Draw(RowId user, RowId item, std::uint32_t items, const TakenItems& taken,
            std::vector<RowId>& drawn) const {
    drawn.clear();
    if (taken.size() >= items) return;
    const CounterRandom random(seed_, Purpose::kNegatives,
                               CounterRandom::Stream(epoch_, static_cast<std::uint32_t>(user)));
    const std::uint64_t first = Index(item) * std::uint64_t{count_};
    for (std::uint32_t draw = 0; draw < count_; ++draw) {
      const auto rank =
          static_cast<std::uint32_t>(random.Below(first + draw, items - taken.size()));
      drawn.push_back(taken.Untaken(rank));
    }
  }

 private:
  // No epoch: those are below it (CounterRandom::Stream).
  static constexpr std::uint64_t kScoring = (std::uint64_t{1} << 24) - 1;

  Negatives(std::uint64_t seed, std::uint64_t epoch, std::uint32_t count)
      : seed_(seed), epoch_(epoch), count_(count) {}

  std::uint64_t seed_;
  std::uint64_t epoch_;
  std::uint32_t count_;
};

}  // namespace cf
