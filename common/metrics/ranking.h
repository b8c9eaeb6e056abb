#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/metrics/names.h"

namespace cf {

/// How often `score` is beaten or equalled: the candidates that are not below it. A candidate that
/// is not a number is not below anything, so that a model gains nothing by it.
std::uint32_t CountNotBelow(std::span<const float> candidates, float score);

/// Where the positives of one user stand among the candidates, counted from 1. Ties count against
/// the model. Formulas and their sources: docs/metrics.md.
struct UserPlaces {
  static constexpr std::uint32_t kMiss = ~std::uint32_t{0};

  /// Of each positive: 1 + the other candidates that are not below it, positives or not.
  std::vector<std::uint32_t> places;
  /// Of the positives in the list of all candidates, ascending, no two equal: behind every other
  /// candidate with the same score.
  std::vector<std::uint32_t> positions;

  /// Sets both. `not_below[k]` counts the candidates, the positives included, that are not below
  /// `scores[k]`, the score of positive k. A score that is not a number, or minus infinity, misses.
  void Set(std::span<const float> scores, std::span<const std::uint32_t> not_below);
};

/// A mean in the making.
struct MetricSum {
  double sum = 0;
  std::uint64_t count = 0;

  void Add(double value, std::uint64_t of = 1) {
    sum += value;
    count += of;
  }
  bool operator==(const MetricSum&) const = default;
};

/// Adds a user's part of a figure that goes by places: top, recall, hr, ndcg or mrr.
/// Requires: the user has a positive.
void AddUser(const RankingMetric& metric, const UserPlaces& user, MetricSum& sum);

/// The mean of the partitions' sums, added along the tree. NaN if nothing was counted.
/// Requires: as many as partitions, a power of two.
double MeanOf(std::span<const MetricSum> by_partition);

/// -log2 of the share of `users` that have the item in their training samples. An item that nobody
/// has counts as one that one user has.
double SelfInformation(std::uint32_t users_of_item, std::uint32_t users);

/// The mean of 1 - cosine over the pairs of a list, from the sum of its unit vectors. An item whose
/// vector is zero has no direction and is at distance 1 from all; it adds nothing to the sum.
/// Requires: items > 1.
double IntraListDistance(std::span<const double> sum_of_directions, std::uint32_t items,
                         std::uint32_t items_with_direction);

}  // namespace cf
