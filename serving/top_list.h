#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
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
/// Owner:   the search. Threads: one at a time. Bounds: n rows.
class TopList {
 public:
  explicit TopList(std::size_t n) : n_(n) { Clear(); }

  /// What a row's score must exceed to get in: rows are offered by ascending id, so that one that
  /// ties with the last of a full list stands behind it.
  float threshold() const { return threshold_; }

  /// Requires: ids ascend from one offer to the next.
  void Offer(RowId id, float score) {
    if (!(score > threshold_)) return;
    if (heap_.size() == n_) {
      std::pop_heap(heap_.begin(), heap_.end(), RanksBefore);
      heap_.pop_back();
    }
    heap_.push_back({id, score});
    std::push_heap(heap_.begin(), heap_.end(), RanksBefore);
    if (heap_.size() == n_) threshold_ = heap_.front().score;
  }

  /// The rows in order, leaving the list empty for the next search.
  std::vector<ScoredRow> Take() {
    std::sort_heap(heap_.begin(), heap_.end(), RanksBefore);
    std::vector<ScoredRow> rows = std::move(heap_);
    Clear();
    return rows;
  }

 private:
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
