#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "common/base/ids.h"

namespace cf {

/// A row with the number it is ranked by.
struct ScoredRow {
  RowId id{};
  float score = 0;
  bool operator==(const ScoredRow&) const = default;
};

/// The order of every list: the highest score first, ties by ascending id, so that a list is the
/// same however it was found.
inline bool RanksBefore(const ScoredRow& a, const ScoredRow& b) {
  return a.score != b.score ? a.score > b.score : a.id < b.id;
}

/// The best n rows of those offered. Scores that are not numbers, and minus infinity, never rank.
///
/// Owner:   the search.
/// Threads: one at a time.
/// Bounds:  n rows.
class TopList {
 public:
  explicit TopList(std::size_t n) : n_(n) { Clear(); }

  /// Requires: ids ascend from one offer to the next, so that a row that ties with the last of a
  /// full list stands behind it.
  void Offer(RowId id, float score) {
    if (score > threshold_) Add(id, score);
  }

  /// Only rows with higher scores get in: minus infinity until the list is full.
  float threshold() const { return threshold_; }

  /// Offers the rows from `first` on, except those of which `allowed(id)` is false; it is asked of
  /// few. Requires: as Offer.
  template <class Allowed>
  void OfferRows(RowId first, std::span<const float> scores, Allowed allowed) {
    for (std::size_t run = 0; run < scores.size(); run += kRun) {
      const std::span<const float> of_run =
          scores.subspan(run, std::min(kRun, scores.size() - run));
      if (of_run.size() == kRun && !AnyAbove(of_run.data())) [[likely]]
        continue;
      for (std::size_t k = 0; k < of_run.size(); ++k) {
        if (!(of_run[k] > threshold_)) continue;
        const RowId id{static_cast<std::uint32_t>(Index(first) + run + k)};
        if (allowed(id)) Add(id, of_run[k]);
      }
    }
  }

  /// The rows in order, leaving the list empty for the next search.
  std::vector<ScoredRow> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), RanksBefore);
    std::vector<ScoredRow> rows = std::move(heap_);
    Clear();
    return rows;
  }

 private:
  static constexpr std::size_t kRun = 16;  // Scores that are compared together.

  // Whether one of a run's scores gets in. In vectors of the compiler's, which makes none of a plain
  // loop.
  bool AnyAbove(const float* scores) const {
    using Floats = float __attribute__((vector_size(kRun / 2 * sizeof(float))));
    Floats low;
    Floats high;
    std::memcpy(&low, scores, sizeof low);
    std::memcpy(&high, scores + kRun / 2, sizeof high);
    const auto above = (low > threshold_) | (high > threshold_);
    std::uint64_t parts[sizeof above / sizeof(std::uint64_t)];
    std::memcpy(parts, &above, sizeof above);
    return (parts[0] | parts[1] | parts[2] | parts[3]) != 0;
  }

  void Add(RowId id, float score) {
    if (heap_.size() == n_) {
      std::pop_heap(heap_.begin(), heap_.end(), RanksBefore);
      heap_.pop_back();
    }
    heap_.push_back({id, score});
    std::push_heap(heap_.begin(), heap_.end(), RanksBefore);
    if (heap_.size() == n_) threshold_ = heap_.front().score;
  }

  void Clear() {
    heap_.clear();
    threshold_ =
        n_ == 0 ? std::numeric_limits<float>::infinity() : -std::numeric_limits<float>::infinity();
  }

  std::size_t n_;
  float threshold_ = 0;
  std::vector<ScoredRow> heap_;  // The last of the list at the front.
};

}  // namespace cf
