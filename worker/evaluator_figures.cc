// What the places and lists of a slice's users add to the figures.

#include <algorithm>
#include <cmath>

#include "worker/evaluator.h"

namespace cf {

std::span<const ScoredRow> Evaluator::ListOf(const RankingMetric& metric, std::uint32_t u) const {
  const std::vector<ScoredRow>& list = lists_[metric.unmasked ? kUnmasked : kMasked][u];
  return std::span(list).first(std::min<std::size_t>(list.size(), metric.k));
}

absl::Status Evaluator::AddDistances(PartitionRanking& found) {
  std::vector<std::vector<double>> directions(options_.metrics.size());  // By metric: user by user.
  std::vector<std::vector<std::uint32_t>> counts(options_.metrics.size());
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    if (options_.metrics[m].figure != RankingFigure::kIntraListDistance) continue;
    directions[m].assign(users_.size() * vector_dim_, 0);
    counts[m].assign(users_.size(), 0);
  }
  std::vector<bool> wanted(items_);
  for (const std::vector<std::vector<ScoredRow>>& lists : lists_) {
    for (const std::vector<ScoredRow>& list : lists) {
      for (const ScoredRow& item : list) wanted[Index(item.id)] = true;
    }
  }
  for (std::uint32_t first = 0; first < items_; first = ChunkEnd(first)) {
    const std::uint32_t end = ChunkEnd(first);
    ids_.clear();
    for (std::uint32_t item = first; item < end; ++item) {
      if (wanted[item]) ids_.push_back(RowId{item});
    }
    absl::Status read = ReadItems(ids_);
    if (!read.ok()) return read;
    for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
      if (!counts[m].empty()) {
        AddDirections(options_.metrics[m], first, end, directions[m], counts[m]);
      }
    }
  }
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    for (std::uint32_t u = 0; u < counts[m].size(); ++u) {
      const std::size_t length = ListOf(options_.metrics[m], u).size();
      if (length < 2) continue;
      const std::span<const double> sum =
          std::span(directions[m]).subspan(u * vector_dim_, vector_dim_);
      found.sums[m].Add(IntraListDistance(sum, static_cast<std::uint32_t>(length), counts[m][u]));
    }
  }
  return absl::OkStatus();
}

void Evaluator::AddDirections(const RankingMetric& metric, std::uint32_t first_item,
                              std::uint32_t last_item, std::vector<double>& directions,
                              std::vector<std::uint32_t>& counts) {
  const std::size_t dim = vector_dim_;
  std::vector<RowId> ids;
  for (std::uint32_t u = 0; u < users_.size(); ++u) {
    // By ascending id over all chunks, so that the sum does not depend on where chunks end.
    ids.clear();
    for (const ScoredRow& item : ListOf(metric, u)) {
      if (Index(item.id) >= first_item && Index(item.id) < last_item) ids.push_back(item.id);
    }
    std::sort(ids.begin(), ids.end());
    for (const RowId id : ids) {
      const auto row = std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin();
      const float* vector = items_view_.vector(static_cast<std::size_t>(row));
      double square = 0;
      for (std::size_t d = 0; d < dim; ++d) {
        square += static_cast<double>(vector[d]) * static_cast<double>(vector[d]);
      }
      if (!(square > 0)) continue;
      const double length = std::sqrt(square);
      for (std::size_t d = 0; d < dim; ++d) {
        directions[u * dim + d] += static_cast<double>(vector[d]) / length;
      }
      ++counts[u];
    }
  }
}

template <class Among>
void Evaluator::AddRanks(const User& user, std::span<const std::uint32_t> not_below,
                         const Among& among, PartitionRanking& found) {
  const std::size_t positives = user.last - user.first;
  places_.Set(std::span(positive_scores_).subspan(user.first, positives),
              not_below.subspan(user.first, positives));
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    const RankingMetric& metric = options_.metrics[m];
    if (GoesByPlaces(metric.figure) && among(metric)) AddUser(metric, places_, found.sums[m]);
  }
}

void Evaluator::AddFigures(PartitionRanking& found) {
  found.users += users_.size();
  found.positives += positives_.size();
  for (const RowId item : positives_) {
    if (options_.training_samples[Index(item)] == 0) ++found.cold_positives;
  }
  for (std::uint32_t u = 0; u < users_.size(); ++u) {
    const User& user = users_[u];
    if (user.cold) ++found.cold_users;
    for (const Mask mask : {kMasked, kUnmasked}) {
      const auto among = [mask](const RankingMetric& metric) {
        return metric.sampled == 0 && metric.unmasked == (mask == kUnmasked);
      };
      if (counts_[mask]) AddRanks(user, not_below_[mask], among, found);
    }
    for (const Sampled& sampled : sampled_) {
      const auto among = [&sampled](const RankingMetric& metric) {
        return metric.sampled == sampled.candidates.sampled();
      };
      AddRanks(user, sampled.not_below, among, found);
    }
    for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
      const RankingMetric& metric = options_.metrics[m];
      if (metric.figure == RankingFigure::kCoverage) {
        for (const ScoredRow& item : ListOf(metric, u)) {
          listed_[m][Index(item.id) / 8] |= static_cast<std::uint8_t>(1U << (Index(item.id) % 8));
        }
      } else if (metric.figure == RankingFigure::kNovelty && !ListOf(metric, u).empty()) {
        const std::span<const ScoredRow> list = ListOf(metric, u);
        double information = 0;
        for (const ScoredRow& item : list) {
          information +=
              SelfInformation(options_.training_samples[Index(item.id)], options_.data->users());
        }
        found.sums[m].Add(information / static_cast<double>(list.size()));
      }
    }
  }
}

}  // namespace cf
