#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/dataset/dataset.h"

namespace cf {

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

struct DatasetStatistics {
  Description ratings;
  Description ratings_per_user;
  Description ratings_per_item;
  double density = 0;                ///< Share of all pairs that have a rating.
  std::int64_t first_timestamp = 0;  ///< Seconds since 1970; 0 without timestamps.
  std::int64_t last_timestamp = 0;   ///< Likewise.
};

/// How many ratings each user, and each item, has; by id.
std::vector<std::uint64_t> RatingsPerUser(const Dataset& data);
std::vector<std::uint64_t> RatingsPerItem(const Dataset& data);

/// Reads the data set twice or so, each column on a thread of its own; the columns are not copied.
DatasetStatistics ComputeStatistics(const Dataset& data);

/// A line of the figures, as texts: of the ratings, of ratings per user and of ratings per item.
struct StatisticsRow {
  std::string name;  ///< "mean", "25%".
  std::array<std::string, 3> cells;
};
std::vector<StatisticsRow> StatisticsRows(const DatasetStatistics& statistics);

/// The figures as the notebooks print them, in several lines.
std::string FormatStatistics(const Dataset& data, const DatasetStatistics& statistics);

}  // namespace cf
