#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

namespace cf {

/// How many ratings users have: a log-normal curve above a minimum, bent so that the most active
/// one has exactly `max`.
struct ActivityShape {
  std::uint32_t users = 0;
  std::uint64_t ratings = 0;  ///< Of all users together.
  double min = 0;
  double median = 0;
  double max = 0;
};

/// Ratings of each user, rising, with the sum `ratings`. InvalidArgument if no curve of this kind
/// has these figures. Requires: users >= 2; 0 <= min < median < max.
absl::StatusOr<std::vector<std::uint32_t>> ActivityCurve(const ActivityShape& shape);

/// How many ratings items have: a shifted power law of the rank, max ((1 + q) / (rank + q))^s.
struct PopularityShape {
  std::uint32_t items = 0;
  std::uint64_t ratings = 0;
  double median = 0;
  double max = 0;
};

/// Expected ratings of each item, falling, with the sum `ratings`. InvalidArgument as above.
/// Requires: items >= 2; 0 < median < max.
absl::StatusOr<std::vector<double>> PopularityCurve(const PopularityShape& shape);

/// The weights with which each user must draw distinct items so that item i is expected
/// `popularity[i]` times. They differ from the popularity because active users run out of popular
/// items. Requires: `activity` rises, `popularity` falls, both have the same sum, and no item is
/// more popular than there are users.
std::vector<double> DrawingWeights(std::span<const std::uint32_t> activity,
                                   std::span<const double> popularity);

/// Draws numbers in proportion to their weights, in constant time each (Walker's alias method).
///
/// Owner:   whoever made it.
/// Threads: any; constant after construction.
/// Bounds:  16 bytes for each weight.
class WeightedDraw {
 public:
  /// Requires: at least one weight; all positive.
  explicit WeightedDraw(std::span<const double> weights);

  /// The number that 64 random bits stand for.
  std::uint32_t At(std::uint64_t bits) const {
    __extension__ using Wide = unsigned __int128;
    const Wide product = Wide{bits} * slots_.size();
    const auto slot = static_cast<std::uint32_t>(product >> 64);
    return static_cast<std::uint64_t>(product) >> 1 < slots_[slot].own ? slot : slots_[slot].alias;
  }

 private:
  struct Slot {
    std::uint64_t own = std::uint64_t{1} << 63;  // The share that is the slot's own, times 2^63.
    std::uint32_t alias = 0;                     // To whom the rest belongs.
  };
  std::vector<Slot> slots_;
};

}  // namespace cf
