#include "common/dataset/synth_shape.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/math/math.h"

namespace cf {
namespace {

/// The x in [low, high] where the rising function reaches `target`: 60 halvings, so always the
/// same.
template <class Function>
double Bisect(double low, double high, double target, Function rising) {
  for (int i = 0; i < 60; ++i) {
    const double middle = 0.5 * (low + high);
    (rising(middle) < target ? low : high) = middle;
  }
  return high;
}

double Sum(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// min + 1 / (a + b e^(-sigma z)) at each normal quantile z: log-normal where a is 0; a is chosen
/// so that the last has the maximum, b so that z = 0 has the median.
std::vector<double> ActivityAt(const ActivityShape& shape, std::span<const double> quantiles,
                               double sigma) {
  const double at_median = 1.0 / (shape.median - shape.min);
  const double at_max = 1.0 / (shape.max - shape.min);
  const double b = (at_median - at_max) / (1.0 - math::Exp(-sigma * quantiles.back()));
  const double a = at_median - b;
  std::vector<double> curve(quantiles.size());
  for (std::size_t k = 0; k < curve.size(); ++k) {
    curve[k] = shape.min + 1.0 / (a + b * math::Exp(-sigma * quantiles[k]));
  }
  return curve;
}

std::vector<double> PopularityAt(const PopularityShape& shape, double q) {
  const double s = math::Log(shape.max / shape.median) /
                   math::Log((0.5 * static_cast<double>(shape.items) + q) / (1.0 + q));
  std::vector<double> curve(shape.items);
  for (std::size_t k = 0; k < curve.size(); ++k) {
    curve[k] = shape.max * math::Pow((1.0 + q) / (static_cast<double>(k + 1) + q), s);
  }
  return curve;
}

/// A run of users, or of items, that stand for one in DrawingWeights.
struct Group {
  std::size_t first = 0;
  double members = 0;
  double count = 0;   // Mean ratings of a member.
  double factor = 1;  // Users: how often they draw. Items: the weight.
};

template <class Count>
Group GroupOf(std::span<const Count> counts, std::size_t first, std::size_t last) {
  Group group;
  group.first = first;
  group.members = static_cast<double>(last - first);
  for (std::size_t i = first; i < last; ++i) group.count += static_cast<double>(counts[i]);
  group.count /= group.members;
  return group;
}

/// How many distinct items someone expects who draws `factor` times, and the derivative.
struct Distinct {
  double count = 0;
  double slope = 0;
};

Distinct DistinctOf(double factor, std::span<const Group> items) {
  Distinct distinct;
  for (const Group& item : items) {
    const double absent = math::Exp(-factor * item.factor);
    distinct.count += item.members * (1.0 - absent);
    distinct.slope += item.members * item.factor * absent;
  }
  return distinct;
}

}  // namespace

absl::StatusOr<std::vector<std::uint32_t>> ActivityCurve(const ActivityShape& shape) {
  Check(shape.users >= 2 && 0 <= shape.min && shape.min < shape.median && shape.median < shape.max,
        "an activity curve has a minimum, a median and a maximum");
  std::vector<double> quantiles(shape.users);
  for (std::size_t k = 0; k < quantiles.size(); ++k) {
    quantiles[k] = math::InverseNormalCdf((static_cast<double>(k) + 0.5) / shape.users);
  }
  const auto ratings = static_cast<double>(shape.ratings);
  const double sigma = Bisect(
      0.001, 20.0, ratings, [&](double trial) { return Sum(ActivityAt(shape, quantiles, trial)); });
  const std::vector<double> curve = ActivityAt(shape, quantiles, sigma);
  // Each count is rounded so that the running sum is exact, which moves it by less than 1.
  const double scale = ratings / Sum(curve);
  if (std::abs(scale - 1.0) > 1e-6) {
    return absl::InvalidArgumentError(
        absl::StrCat(shape.users, " users cannot have ", shape.ratings, " ratings with minimum ",
                     shape.min, ", median ", shape.median, " and maximum ", shape.max));
  }
  std::vector<std::uint32_t> counts(shape.users);
  double running = 0.0;
  std::uint64_t given = 0;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    running += curve[k] * scale;
    const std::uint64_t upto = k + 1 == counts.size()
                                   ? shape.ratings
                                   : static_cast<std::uint64_t>(std::floor(running + 0.5));
    counts[k] = static_cast<std::uint32_t>(upto - given);
    given = upto;
  }
  std::sort(counts.begin(), counts.end());  // Rounding may have swapped neighbours.
  return counts;
}

absl::StatusOr<std::vector<double>> PopularityCurve(const PopularityShape& shape) {
  Check(shape.items >= 2 && 0 < shape.median && shape.median < shape.max,
        "a popularity curve has a median and a maximum");
  const auto ratings = static_cast<double>(shape.ratings);
  const double q = Bisect(0.0, 100.0 * shape.items, ratings,
                          [&](double trial) { return Sum(PopularityAt(shape, trial)); });
  std::vector<double> curve = PopularityAt(shape, q);
  const double scale = ratings / Sum(curve);
  if (std::abs(scale - 1.0) > 1e-6) {
    return absl::InvalidArgumentError(absl::StrCat(shape.items, " items cannot have ",
                                                   shape.ratings, " ratings with median ",
                                                   shape.median, " and maximum ", shape.max));
  }
  for (double& count : curve) count *= scale;
  return curve;
}

std::vector<double> DrawingWeights(std::span<const std::uint32_t> activity,
                                   std::span<const double> popularity) {
  // A few hundred groups stand for all, finer towards the most active and the most popular.
  std::vector<Group> users, items;
  for (std::size_t last = activity.size(); last > 0;) {
    const std::size_t members = std::min(last, 1 + (activity.size() - last) / 32);
    users.push_back(GroupOf(activity, last - members, last));
    last -= members;
  }
  for (std::size_t first = 0; first < popularity.size();) {
    const std::size_t last = std::min(popularity.size(), first + 1 + first / 32);
    items.push_back(GroupOf(popularity, first, last));
    items.back().factor = items.back().count / Sum(popularity);
    first = last;
  }

  // A user who draws f times has an item of weight w with probability 1 - e^(-f w). In turn, make
  // every user have as many items as he should, and every item as many users; 40 rounds bring both
  // within a thousandth for the data sets of MovieLens.
  for (Group& user : users) user.factor = user.count;
  for (int round = 0; round < 40; ++round) {
    for (Group& user : users) {
      // Newton's method from below never overshoots on a concave function; from above it falls back
      // below at once, but not below 0.
      for (int step = 0; step < 4; ++step) {
        const Distinct distinct = DistinctOf(user.factor, items);
        user.factor = std::max(0.1 * user.factor,
                               user.factor + (user.count - distinct.count) / distinct.slope);
      }
    }
    for (Group& item : items) {
      double expected = 0.0;
      for (const Group& user : users) {
        expected += user.members * (1.0 - math::Exp(-user.factor * item.factor));
      }
      item.factor *= item.count / expected;
    }
  }

  std::vector<double> weights(popularity.size());
  for (std::size_t g = 0; g < items.size(); ++g) {
    const std::size_t last = g + 1 < items.size() ? items[g + 1].first : popularity.size();
    for (std::size_t i = items[g].first; i < last; ++i) {
      weights[i] = items[g].factor * (popularity[i] / items[g].count);
    }
  }
  return weights;
}

WeightedDraw::WeightedDraw(std::span<const double> weights) : slots_(weights.size()) {
  Check(!weights.empty(), "there is something to draw from");
  const double scale = static_cast<double>(weights.size()) / Sum(weights);
  std::vector<double> left(weights.size());
  std::vector<std::uint32_t> small, large;
  for (std::uint32_t i = 0; i < weights.size(); ++i) {
    left[i] = weights[i] * scale;
    (left[i] < 1.0 ? small : large).push_back(i);
  }
  while (!small.empty() && !large.empty()) {
    const std::uint32_t poor = small.back();
    const std::uint32_t rich = large.back();
    small.pop_back();
    slots_[poor] = {static_cast<std::uint64_t>(left[poor] * 0x1p63), rich};
    left[rich] -= 1.0 - left[poor];
    if (left[rich] < 1.0) {
      large.pop_back();
      small.push_back(rich);
    }
  }
  // What is left over on either side is 1 but for rounding: the slot is all its own.
}

}  // namespace cf
