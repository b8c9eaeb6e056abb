#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/dataset/value_counts.h"

namespace cf {

class Dataset;

/// What pandas' describe() prints: the deviation divides by count - 1, quartiles interpolate.
struct Description {
  std::uint64_t count = 0;
  double mean = 0;
  double deviation = 0;  ///< NaN for one value.
  double min = 0;
  double quartiles[3] = {0, 0, 0};
  double max = 0;
};

/// Requires: `values` is not empty.
Description Describe(std::span<const float> values);
/// The same of values that have been counted. Requires: `counts` is complete and not empty.
Description Describe(const ValueCounts& counts);

/// The first and the last of some timestamps, in seconds since 1970; of none, first is behind last.
struct TimeRange {
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = std::numeric_limits<std::int64_t>::min();

  void Add(std::span<const std::int64_t> timestamps);
  void Add(const TimeRange& others);
};

struct DatasetStatistics {
  bool has_ratings = true;  ///< Or all are 1.
  Description ratings = {};
  Description ratings_per_user = {};
  Description ratings_per_item = {};
  std::optional<TimeRange> timestamps = {};        ///< Nothing where there are none.
  std::optional<std::uint32_t> items_merged = {};  ///< Where items are keyed by title.

  /// Share of all pairs that have a rating.
  double density() const {
    return static_cast<double>(ratings.count) / static_cast<double>(ratings_per_user.count) /
           static_cast<double>(ratings_per_item.count);
  }
};

/// How many ratings each user, and each item, has; by id.
std::vector<std::uint64_t> RatingsPerUser(const Dataset& data);
std::vector<std::uint64_t> RatingsPerItem(const Dataset& data);

/// Describes how many ratings each user, and each item, has. Requires: neither is empty.
void DescribeCounts(std::span<const std::uint64_t> per_user,
                    std::span<const std::uint64_t> per_item, DatasetStatistics* statistics);

/// Reads the data set twice or so, each column on a thread of its own; the columns are not copied.
DatasetStatistics ComputeStatistics(const Dataset& data);

/// A line of the figures, as texts: of the ratings, of ratings per user and of ratings per item.
struct StatisticsRow {
  std::string name;  ///< "mean", "25%".
  std::array<std::string, 3> cells;
};
std::vector<StatisticsRow> StatisticsRows(const DatasetStatistics& statistics);

/// The figures as the notebooks print them, in several lines.
std::string FormatStatistics(const DatasetStatistics& statistics);

}  // namespace cf
