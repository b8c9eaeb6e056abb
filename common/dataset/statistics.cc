#include "common/dataset/statistics.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
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

/// The distinct values of a column and how often each occurs, ascending, where they are few, as of
/// ratings they are.
class ValueCounts {
 public:
  struct Entry {
    std::uint32_t key = 0;
    std::uint64_t count = 0;
  };

  /// Nothing where there are more than kDistinctMax.
  static std::optional<ValueCounts> Of(std::span<const float> values) {
    ValueCounts counts;
    std::vector<Entry> table(kSlots);
    for (const float value : values) {
      const auto key = static_cast<std::uint32_t>(KeyOf(value));
      std::size_t slot = (key * 0x9E37'79B1U) >> (32 - kSlotBits);
      while (table[slot].key != key && table[slot].count > 0) slot = (slot + 1) % kSlots;
      if (table[slot].count++ > 0) continue;
      table[slot].key = key;
      if (++counts.distinct_ > kDistinctMax) return std::nullopt;
    }
    std::erase_if(table, [](const Entry& entry) { return entry.count == 0; });
    std::sort(table.begin(), table.end(),
              [](const Entry& a, const Entry& b) { return a.key < b.key; });
    counts.entries_ = std::move(table);
    return counts;
  }

  const std::vector<Entry>& entries() const { return entries_; }

  float ValueOfRank(std::uint64_t rank) const {
    std::size_t entry = 0;
    while (rank >= entries_[entry].count) rank -= entries_[entry++].count;
    return ValueOf(entries_[entry].key);
  }

 private:
  static constexpr int kSlotBits = 12;
  static constexpr std::size_t kSlots = 1 << kSlotBits;
  static constexpr std::size_t kDistinctMax = kSlots / 4;  // So that probes are short.

  std::size_t distinct_ = 0;
  std::vector<Entry> entries_;
};

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

Description Describe(const ValueCounts& counts, std::uint64_t count) {
  Description description = {.count = count,
                             .min = static_cast<double>(ValueOf(counts.entries().front().key)),
                             .max = static_cast<double>(ValueOf(counts.entries().back().key))};
  double sum = 0;
  for (const auto& [key, times] : counts.entries()) {
    sum += static_cast<double>(ValueOf(key)) * static_cast<double>(times);
  }
  description.mean = sum / static_cast<double>(count);
  double squares = 0;
  for (const auto& [key, times] : counts.entries()) {
    const double difference = static_cast<double>(ValueOf(key)) - description.mean;
    squares += difference * difference * static_cast<double>(times);
  }
  description.deviation = DeviationOf(squares, count);
  FillQuartiles([&counts](std::uint64_t rank) { return counts.ValueOfRank(rank); }, &description);
  return description;
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

Description Describe(std::span<const float> values) {
  Check(!values.empty(), "there is a value to describe");
  const std::optional<ValueCounts> counts = ValueCounts::Of(values);
  if (counts.has_value()) return Describe(*counts, values.size());
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

DatasetStatistics ComputeStatistics(const Dataset& data) {
  // Counts are below 2^24 in any data set that people describe; larger ones are rounded.
  const auto as_floats = [](const std::vector<std::uint64_t>& counts) {
    return std::vector<float>(counts.begin(), counts.end());
  };
  DatasetStatistics statistics;
  statistics.density = static_cast<double>(data.samples()) / static_cast<double>(data.users()) /
                       static_cast<double>(data.items());
  // Each reads a column of its own: together they take as long as the slowest, or half of all of
  // them where there are two cores. The slowest comes first.
  RunParallel(3, 3, [&](std::size_t task, unsigned) {
    if (task == 0) {
      statistics.ratings = Describe(data.ratings());
    } else if (task == 1) {
      statistics.ratings_per_user = Describe(as_floats(RatingsPerUser(data)));
      statistics.ratings_per_item = Describe(as_floats(RatingsPerItem(data)));
    } else if (!data.timestamps().empty()) {
      std::int64_t first = data.timestamps().front();
      std::int64_t last = first;
      for (const std::int64_t timestamp : data.timestamps()) {
        first = std::min(first, timestamp);
        last = std::max(last, timestamp);
      }
      statistics.first_timestamp = first;
      statistics.last_timestamp = last;
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

std::string FormatStatistics(const Dataset& data, const DatasetStatistics& statistics) {
  std::string text =
      absl::StrFormat("users %s, items %s, %s %s, density %.4g%%\n", WithThousands(data.users()),
                      WithThousands(data.items()), data.has_ratings() ? "ratings" : "interactions",
                      WithThousands(data.samples()), 100 * statistics.density);
  if (!data.timestamps().empty()) {
    absl::StrAppendFormat(&text, "timestamps from %s to %s (UTC)\n",
                          FormatTimestamp(statistics.first_timestamp),
                          FormatTimestamp(statistics.last_timestamp));
  }
  if (data.items_keyed_by_title()) {
    absl::StrAppendFormat(&text, "items are keyed by title: %s became one with another\n",
                          WithThousands(data.items_merged()));
  }
  absl::StrAppendFormat(&text, "%-6s %14s %14s %14s\n", "",
                        data.has_ratings() ? "rating" : "(all 1)", "per user", "per item");
  for (const StatisticsRow& row : StatisticsRows(statistics)) {
    absl::StrAppendFormat(&text, "%-6s %14s %14s %14s\n", row.name, row.cells[0], row.cells[1],
                          row.cells[2]);
  }
  return text;
}

}  // namespace cf
