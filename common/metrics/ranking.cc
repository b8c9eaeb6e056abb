#include "common/metrics/ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "common/base/check.h"
#include "common/base/partition.h"
#include "common/math/math.h"

namespace cf {
namespace {

constexpr std::size_t kWidth = 8;
using Floats = float __attribute__((vector_size(kWidth * sizeof(float))));
using Counts = std::int32_t __attribute__((vector_size(kWidth * sizeof(std::int32_t))));

double Log2(double x) {
  return math::Log(x) / math::kLn2;
}

// The gain of a positive at position p is 1 / log2(p + 1).
struct Discounts {
  std::array<double, kRankingKMax + 1> at{};        // By position.
  std::array<double, kRankingKMax + 1> of_first{};  // The sum of the first so many: the ideal.
};

const Discounts& DiscountTable() {
  static const Discounts table = [] {
    Discounts discounts;
    for (std::uint32_t p = 1; p <= kRankingKMax; ++p) {
      discounts.at[p] = 1.0 / Log2(p + 1.0);
      discounts.of_first[p] = discounts.of_first[p - 1] + discounts.at[p];
    }
    return discounts;
  }();
  return table;
}

}  // namespace

std::uint32_t CountNotBelow(std::span<const float> candidates, float score) {
  // In vectors of the compiler's: what it makes of a plain loop takes five times as long.
  Floats scores;
  for (std::size_t lane = 0; lane < kWidth; ++lane) scores[lane] = score;
  Counts below = {};  // A comparison that holds is -1.
  const std::size_t whole = candidates.size() / kWidth * kWidth;
  for (std::size_t k = 0; k < whole; k += kWidth) {
    Floats run;
    std::memcpy(&run, candidates.data() + k, sizeof run);
    below += run < scores;
  }
  auto not_below = static_cast<std::int32_t>(whole);
  for (std::size_t lane = 0; lane < kWidth; ++lane) not_below += below[lane];
  for (std::size_t k = whole; k < candidates.size(); ++k) {
    not_below += candidates[k] < score ? 0 : 1;
  }
  return static_cast<std::uint32_t>(not_below);
}

void UserPlaces::Set(std::span<const float> scores, std::span<const std::uint32_t> not_below) {
  Check(scores.size() == not_below.size(), "every positive has its count");
  places.assign(scores.size(), kMiss);
  positions.clear();
  std::vector<std::uint32_t> order;  // Of the positives that do not miss, the best first.
  for (std::uint32_t k = 0; k < scores.size(); ++k) {
    if (!(scores[k] > -std::numeric_limits<float>::infinity())) continue;
    places[k] = not_below[k];
    order.push_back(k);
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return scores[a] > scores[b]; });
  const auto misses = static_cast<std::uint32_t>(
      std::count_if(scores.begin(), scores.end(), [](float score) { return std::isnan(score); }));
  for (std::uint32_t first = 0; first < order.size();) {
    const float score = scores[order[first]];
    std::uint32_t last = first;
    while (last < order.size() && scores[order[last]] == score) ++last;
    // Positives with this score stand behind all other candidates with it, one after the other.
    const std::uint32_t others = not_below[order[first]] - last - misses;
    for (; first < last; ++first) positions.push_back(others + first + 1);
  }
}

void AddUser(const RankingMetric& metric, const UserPlaces& user, MetricSum& sum) {
  const auto within = [&metric](std::uint32_t place) { return place <= metric.k; };
  const auto positives = static_cast<std::uint32_t>(user.places.size());
  Check(positives > 0, "a user that is ranked has a positive");
  const auto end = std::partition_point(user.positions.begin(), user.positions.end(), within);
  const std::span<const std::uint32_t> hits(user.positions.begin(), end);
  switch (metric.figure) {
    case RankingFigure::kTop:
      sum.Add(static_cast<double>(std::count_if(user.places.begin(), user.places.end(), within)),
              positives);
      return;
    case RankingFigure::kRecall:
      sum.Add(static_cast<double>(hits.size()) / positives);
      return;
    case RankingFigure::kHitRate:
      sum.Add(hits.empty() ? 0 : 1);
      return;
    case RankingFigure::kNdcg: {
      double gain = 0;
      for (const std::uint32_t position : hits) gain += DiscountTable().at[position];
      sum.Add(gain / DiscountTable().of_first[std::min(positives, metric.k)]);
      return;
    }
    case RankingFigure::kMrr:
      sum.Add(hits.empty() ? 0 : 1.0 / hits.front());
      return;
    case RankingFigure::kCoverage:
    case RankingFigure::kIntraListDistance:
    case RankingFigure::kNovelty:
      break;
  }
  Check(false, "figures of lists do not go by places");
}

double MeanOf(std::span<const MetricSum> by_partition) {
  std::vector<double> sums;
  std::uint64_t count = 0;
  for (const MetricSum& part : by_partition) {
    sums.push_back(part.sum);
    count += part.count;
  }
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  return SumAlongTree(sums) / static_cast<double>(count);
}

double SelfInformation(std::uint32_t users_of_item, std::uint32_t users) {
  return Log2(static_cast<double>(users) / std::max(users_of_item, 1U));
}

double IntraListDistance(std::span<const double> sum_of_directions, std::uint32_t items,
                         std::uint32_t items_with_direction) {
  Check(items > 1, "a list has pairs");
  // |sum of u|^2 = number of unit vectors + twice the cosines of all pairs.
  double square = 0;
  for (const double x : sum_of_directions) square += x * x;
  const double pairs = static_cast<double>(items) * (items - 1.0);
  return 1.0 - (square - items_with_direction) / pairs;
}

}  // namespace cf
