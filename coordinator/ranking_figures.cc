#include "coordinator/ranking_figures.h"

#include <algorithm>
#include <bit>
#include <optional>

#include <absl/strings/str_cat.h>

#include "common/metrics/names.h"
#include "common/metrics/ranking.h"
#include "common/text/numbers.h"

namespace cf {
namespace {

/// The share of `items` that are listed in a reply.
double CoverageOf(int metric, std::span<const Reply> replies, std::uint32_t items) {
  std::vector<std::uint8_t> listed((items + 7) / 8);
  for (const Reply& reply : replies) {
    if (metric >= reply.listed_size()) continue;  // Of a member that only serves.
    const std::string& bits = reply.listed(metric);
    for (std::size_t k = 0; k < std::min(bits.size(), listed.size()); ++k) {
      listed[k] |= static_cast<std::uint8_t>(bits[k]);
    }
  }
  std::uint64_t count = 0;
  for (const std::uint8_t bits : listed) count += static_cast<std::uint64_t>(std::popcount(bits));
  return static_cast<double>(count) / items;
}

}  // namespace

std::vector<std::string> OtherFigures(const Job& job) {
  std::vector<std::string> names(job.validation().metrics().begin(),
                                 job.validation().metrics().end());
  names.push_back(job.early_stopping().monitor());
  names.push_back(job.optimizer().schedule().plateau().monitor());  // Empty without a plateau.
  std::vector<std::string> others;
  for (const std::string& name : names) {
    const bool other = name == "val_bce" || ParseRankingMetric(name).has_value();
    if (other && std::find(others.begin(), others.end(), name) == others.end()) {
      others.push_back(name);
    }
  }
  return others;
}

std::string DescribeCounts(const RankingCounts& counts, std::uint64_t items,
                           const std::string& what) {
  const auto counted = [](std::uint64_t count, const std::string& of) {
    return absl::StrCat(WithThousands(count), " ", of, count == 1 ? "" : "s");
  };
  return absl::StrCat(counted(counts.users, "user"), " with ", counted(counts.positives, what),
                      " among ", counted(items, "item"), "; ", counted(counts.cold_users, "user"),
                      " and the items of ", counted(counts.cold_positives, "sample"), " are cold");
}

absl::StatusOr<RankingFigures> AddUpLists(const MeasureLists& command,
                                          std::span<const Reply> replies, std::uint32_t partitions,
                                          std::uint32_t items) {
  const auto metrics = static_cast<std::size_t>(command.metrics_size());
  std::vector<std::vector<MetricSum>> sums(metrics, std::vector<MetricSum>(partitions));
  RankingFigures found;
  for (const Reply& reply : replies) {
    for (const PartitionRanks& ranks : reply.ranks()) {
      if (ranks.partition() >= partitions) {
        return absl::DataLossError("ranks of a partition that is not there");
      }
      if (ranks.sums_size() != command.metrics_size() ||
          ranks.counts_size() != command.metrics_size()) {
        return absl::DataLossError("another number of figures than were asked for");
      }
      for (std::size_t m = 0; m < metrics; ++m) {
        const int k = static_cast<int>(m);
        sums[m][ranks.partition()] = {.sum = ranks.sums(k), .count = ranks.counts(k)};
      }
      found.counts.users += ranks.users();
      found.counts.positives += ranks.positives();
      found.counts.cold_users += ranks.cold_users();
      found.counts.cold_positives += ranks.cold_positives();
    }
  }
  for (std::size_t m = 0; m < metrics; ++m) {
    const std::string& name = command.metrics(static_cast<int>(m));
    const std::optional<RankingMetric> metric = ParseRankingMetric(name);
    const bool coverage = metric.has_value() && metric->figure == RankingFigure::kCoverage;
    found.figures.Set(name,
                      coverage ? CoverageOf(static_cast<int>(m), replies, items) : MeanOf(sums[m]));
  }
  return found;
}

MeasureLists MeasureListsCommand(std::span<const std::string> names) {
  MeasureLists command;
  for (const std::string& name : names) {
    const bool there = std::find(command.metrics().begin(), command.metrics().end(), name) !=
                       command.metrics().end();
    if (!there && ParseRankingMetric(name).has_value()) command.add_metrics(name);
  }
  return command;
}

}  // namespace cf
