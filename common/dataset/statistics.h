#pragma once

#include <cstdint>
#include <span>
#include <string>

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
  double density = 0;  ///< Share of all pairs that have a rating.
};

/// Reads the data set twice or so; its columns are not copied.
DatasetStatistics ComputeStatistics(const Dataset& data);

/// The figures as the notebooks print them, in several lines.
std::string FormatStatistics(const Dataset& data, const DatasetStatistics& statistics);

}  // namespace cf
