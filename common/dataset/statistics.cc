#include "common/dataset/statistics.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/dataset/dataset.h"
#include "common/dataset/parallel.h"
#include "common/dataset/select.h"
#include "common/dataset/timestamp.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

constexpr std::uint32_t kSign = 1U << 31;

/// A key that is ordered as the value is, and back.
std::uint64_t KeyOf(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

float ValueOf(std::uint64_t key) {
  const auto bits = static_cast<std::uint32_t>(key);
  return std::bit_cast<float>((bits & kSign) != 0 ? bits & ~kSign : ~bits);
}

float ValueOfRank(std::span<const float> values, std::uint64_t rank, float min, float max) {
  const auto for_each = [values](const auto& visit) {
    for (std::uint64_t k = 0; k < values.size(); ++k) visit(k, KeyOf(values[k]));
  };
  return ValueOf(NarrowToRank(for_each, rank, 0, {.first = KeyOf(min), .last = KeyOf(max)}).first);
}

/// `value_of_rank` gives the value that so many are before in ascending order.
template <class ValueOfRank>
double Quantile(std::uint64_t count, int quarter, const ValueOfRank& value_of_rank) {
  const double place = quarter / 4.0 * static_cast<double>(count - 1);
  const auto rank = static_cast<std::uint64_t>(place);
  const auto below = static_cast<double>(value_of_rank(rank));
  const double part = place - static_cast<double>(rank);
  if (part == 0) return below;
  const auto above = static_cast<double>(value_of_rank(rank + 1));
  return below + (above - below) * part;
}

template <class ValueOfRank>
void FillQuartiles(const ValueOfRank& value_of_rank, Description* description) {
  for (const int quarter : {1, 2, 3}) {
    description->quartiles[quarter - 1] = Quantile(description->count, quarter, value_of_rank);
  }
}

double DeviationOf(double squares, std::uint64_t count) {
  return count > 1 ? std::sqrt(squares / static_cast<double>(count - 1))
                   : std::numeric_limits<double>::quiet_NaN();
}

StatisticsRow Row(const std::string& name, const std::array<double, 3>& values, int digits) {
  StatisticsRow row = {.name = name, .cells = {}};
  for (std::size_t k = 0; k < values.size(); ++k) {
    row.cells[k] = digits == 0 ? WithThousands(static_cast<std::uint64_t>(values[k]))
                               : absl::StrFormat("%.*f", digits, values[k]);
  }
  return row;
}

}  // namespace

Description Describe(const ValueCounts& counts) {
  const std::vector<ValueCounts::Entry> entries = counts.Entries();
  Check(!entries.empty(), "there is a value to describe");
  Description description = {.min = static_cast<double>(entries.front().value),
                             .max = static_cast<double>(entries.back().value)};
  double sum = 0;
  for (const auto& [value, count] : entries) {
    description.count += count;
    sum += static_cast<double>(value) * static_cast<double>(count);
  }
  description.mean = sum / static_cast<double>(description.count);
  double squares = 0;
  for (const auto& [value, count] : entries) {
    const double difference = static_cast<double>(value) - description.mean;
    squares += difference * difference * static_cast<double>(count);
  }
  description.deviation = DeviationOf(squares, description.count);
  const auto value_of_rank = [&entries](std::uint64_t rank) {
    std::size_t entry = 0;
    while (rank >= entries[entry].count) rank -= entries[entry++].count;
    return entries[entry].value;
  };
  FillQuartiles(value_of_rank, &description);
  return description;
}

Description Describe(std::span<const float> values) {
  Check(!values.empty(), "there is a value to describe");
  ValueCounts counts;
  counts.Add(values);
  if (counts.complete()) return Describe(counts);
  Description description = {.count = values.size()};
  float min = values[0];
  float max = values[0];
  double sum = 0;
  for (const float value : values) {
    min = std::min(min, value);
    max = std::max(max, value);
    sum += static_cast<double>(value);
  }
  description.min = static_cast<double>(min);
  description.max = static_cast<double>(max);
  description.mean = sum / static_cast<double>(values.size());
  double squares = 0;
  for (const float value : values) {
    const double difference = static_cast<double>(value) - description.mean;
    squares += difference * difference;
  }
  description.deviation = DeviationOf(squares, values.size());
  // Both zeros compare equal, and have two keys.
  if (min == 0) min = -0.0F;
  if (max == 0) max = 0.0F;
  FillQuartiles([=](std::uint64_t rank) { return ValueOfRank(values, rank, min, max); },
                &description);
  return description;
}

std::vector<std::uint64_t> RatingsPerUser(const Dataset& data) {
  std::vector<std::uint64_t> counts(data.users());
  for (std::uint32_t user = 0; user < data.users(); ++user) {
    counts[user] = data.user_offsets()[user + 1] - data.user_offsets()[user];
  }
  return counts;
}

std::vector<std::uint64_t> RatingsPerItem(const Dataset& data) {
  std::vector<std::uint64_t> counts(data.items(), 0);
  for (const RowId item : data.item_column()) ++counts[Index(item)];
  return counts;
}

void TimeRange::Add(std::span<const std::int64_t> timestamps) {
  for (const std::int64_t timestamp : timestamps) {
    first = std::min(first, timestamp);
    last = std::max(last, timestamp);
  }
}

void TimeRange::Add(const TimeRange& others) {
  first = std::min(first, others.first);
  last = std::max(last, others.last);
}

void DescribeCounts(std::span<const std::uint64_t> per_user,
                    std::span<const std::uint64_t> per_item, DatasetStatistics* statistics) {
  // Counts are below 2^24 in any data set that people describe; larger ones are rounded.
  const auto describe = [](std::span<const std::uint64_t> counts) {
    return Describe(std::vector<float>(counts.begin(), counts.end()));
  };
  statistics->ratings_per_user = describe(per_user);
  statistics->ratings_per_item = describe(per_item);
}

DatasetStatistics ComputeStatistics(const Dataset& data) {
  DatasetStatistics statistics = {.has_ratings = data.has_ratings()};
  if (data.items_keyed_by_title()) statistics.items_merged = data.items_merged();
  // Each reads a column of its own: together they take as long as the slowest, or half of all of
  // them where there are two cores. The slowest comes first.
  RunParallel(3, 3, [&](std::size_t task, unsigned) {
    if (task == 0) {
      statistics.ratings = Describe(data.ratings());
    } else if (task == 1) {
      DescribeCounts(RatingsPerUser(data), RatingsPerItem(data), &statistics);
    } else if (!data.timestamps().empty()) {
      statistics.timestamps.emplace().Add(data.timestamps());
    }
  });
  return statistics;
}

std::vector<StatisticsRow> StatisticsRows(const DatasetStatistics& statistics) {
  const Description& r = statistics.ratings;
  const Description& u = statistics.ratings_per_user;
  const Description& i = statistics.ratings_per_item;
  std::vector<StatisticsRow> rows = {
      Row("count",
          {static_cast<double>(r.count), static_cast<double>(u.count),
           static_cast<double>(i.count)},
          0),
      Row("mean", {r.mean, u.mean, i.mean}, 4),
      Row("std", {r.deviation, u.deviation, i.deviation}, 4),
      Row("min", {r.min, u.min, i.min}, 2),
  };
  for (int quarter = 0; quarter < 3; ++quarter) {
    rows.push_back(Row(absl::StrCat(25 * (quarter + 1), "%"),
                       {r.quartiles[quarter], u.quartiles[quarter], i.quartiles[quarter]}, 2));
  }
  rows.push_back(Row("max", {r.max, u.max, i.max}, 2));
  return rows;
}

std::string FormatStatistics(const DatasetStatistics& statistics) {
  std::string text =
      absl::StrFormat("users %s, items %s, %s %s, density %.4g%%\n",
                      WithThousands(statistics.ratings_per_user.count),
                      WithThousands(statistics.ratings_per_item.count),
                      statistics.has_ratings ? "ratings" : "interactions",
                      WithThousands(statistics.ratings.count), 100 * statistics.density());
  if (statistics.timestamps.has_value()) {
    absl::StrAppendFormat(&text, "timestamps from %s to %s (UTC)\n",
                          FormatTimestamp(statistics.timestamps->first),
                          FormatTimestamp(statistics.timestamps->last));
  }
  if (statistics.items_merged.has_value()) {
    absl::StrAppendFormat(&text, "items are keyed by title: %s became one with another\n",
                          WithThousands(*statistics.items_merged));
  }
  absl::StrAppendFormat(&text, "%-6s %14s %14s %14s\n", "",
                        statistics.has_ratings ? "rating" : "(all 1)", "per user", "per item");
  for (const StatisticsRow& row : StatisticsRows(statistics)) {
    absl::StrAppendFormat(&text, "%-6s %14s %14s %14s\n", row.name, row.cells[0], row.cells[1],
                          row.cells[2]);
  }
  return text;
}

}  // namespace cf
