#include "worker/evaluator.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "common/base/check.h"
#include "common/model/tables.h"

namespace cf {
namespace {

constexpr float kBelowAll = -std::numeric_limits<float>::infinity();

std::uint32_t CeilOf(std::uint32_t n, std::uint32_t d) {
  return n / d + (n % d != 0 ? 1 : 0);
}

std::uint32_t SlicesOf(const Placement& placement, std::uint32_t users) {
  return CeilOf(CeilOf(users, placement.partitioning().count()), Evaluator::kUsersMax);
}

/// Of every seat: how many partitions the one with the most has.
std::uint32_t PartitionsOf(const Placement& placement) {
  return CeilOf(placement.partitioning().count(), placement.workers().size());
}

bool HasDistances(std::span<const RankingMetric> metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const RankingMetric& metric) {
    return metric.figure == RankingFigure::kIntraListDistance;
  });
}

}  // namespace

std::vector<std::uint32_t> CountTrainingSamples(const Dataset& data, const DataSplit& split) {
  Check(split.whole(), "the samples of all users are counted");
  std::vector<std::uint32_t> counts(data.items());
  const std::span<const RowId> items = data.item_column();
  for (std::uint64_t s = 0; s < items.size(); ++s) {
    if (!split.is_validation(s)) ++counts[Index(items[s])];
  }
  return counts;
}

std::uint64_t Evaluator::TurnsOf(const Placement& placement, const Dataset& data,
                                 std::span<const RankingMetric> metrics, std::size_t layers,
                                 std::span<const FeatureLists> added) {
  const std::uint64_t passes = HasDistances(metrics) ? 3 : 2;
  const std::uint64_t of_users = 1 + FeatureReader::TurnsOf(added, FeatureSide::kUser);
  const std::uint64_t of_block = 1 + FeatureReader::TurnsOf(added, FeatureSide::kItem);
  const std::uint64_t of_slice = of_users + passes * of_block * CeilOf(data.items(), kItemsMax);
  return layers + of_slice * PartitionsOf(placement) * SlicesOf(placement, data.users());
}

Evaluator::Evaluator(Options options)
    : options_(std::move(options)),
      partitioning_(options_.rows->placement().partitioning()),
      scorer_(*options_.scorer),
      items_(options_.data->items()),
      reader_(*options_.rows, options_.turn),
      features_(options_.added),
      distances_(HasDistances(options_.metrics)),
      listed_(options_.metrics.size()) {
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    const RankingMetric& metric = options_.metrics[m];
    const Mask mask = metric.unmasked ? kUnmasked : kMasked;
    if (metric.sampled > 0) {
      SampledOf(metric.sampled);
    } else if (GoesByRanks(metric.figure)) {
      counts_[mask] = true;
    } else {
      list_length_[mask] = std::max(list_length_[mask], metric.k);
    }
    if (metric.figure == RankingFigure::kCoverage) listed_[m].assign((items_ + 7) / 8, 0);
  }
}

Evaluator::Sampled& Evaluator::SampledOf(std::uint32_t sampled) {
  for (Sampled& there : sampled_) {
    if (there.candidates.sampled() == sampled) return there;
  }
  return sampled_.emplace_back(Sampled{SampledCandidates(*options_.data, sampled), {}});
}

std::uint32_t Evaluator::BlockEnd(std::uint32_t first_item) const {
  return std::min(items_ - first_item, kItemsMax) + first_item;
}

absl::Status Evaluator::Run(std::span<PartitionRanking> found) {
  const Placement& placement = options_.rows->placement();
  const SeatRange range = placement.workers().range(options_.rows->seat());
  Check(found.size() == range.size(), "what is found is by partition of the seat's range");
  for (PartitionRanking& partition : found) partition.sums.resize(options_.metrics.size());
  if (absl::Status read = ReadLayers(); !read.ok()) return read;
  PartitionRanking nothing = {.sums = std::vector<MetricSum>(options_.metrics.size())};
  for (std::uint32_t p = 0; p < PartitionsOf(placement); ++p) {
    for (std::uint32_t slice = 0; slice < SlicesOf(placement, options_.data->users()); ++slice) {
      // A seat that has fewer partitions keeps step with an empty slice.
      users_.clear();
      positives_.clear();
      for (Sampled& sampled : sampled_) sampled.candidates.Clear();
      if (p < range.size()) Gather(PartitionId{range.first + p}, slice);
      absl::Status done = ReadUsers();
      if (done.ok()) done = ScorePositives();
      if (done.ok()) done = CountCandidates();
      PartitionRanking& into = p < range.size() ? found[p] : nothing;
      if (done.ok() && distances_) done = AddDistances(into);
      if (!done.ok()) return done;
      AddFigures(into);
    }
  }
  return absl::OkStatus();
}

absl::Status Evaluator::ReadLayers() {
  for (std::size_t l = 0; l < scorer_.layers(); ++l) {
    const TableId table{static_cast<std::uint32_t>(Index(kFirstLayer) + l)};
    const RowId only{0};
    absl::Status read = reader_.Read(table, std::span(&only, 1), item_rows_);
    if (!read.ok()) return read;
    scorer_.SetLayer(l, item_rows_.row(0));
  }
  return absl::OkStatus();
}

absl::Status Evaluator::ReadUsers() {
  ids_.clear();
  for (const User& user : users_) ids_.push_back(user.id);
  absl::Status read = reader_.Read(kUsers, ids_, user_rows_);
  if (read.ok()) read = Add(FeatureSide::kUser, ids_, user_rows_);
  if (read.ok()) scorer_.SetUsers(ids_, user_rows_);
  return read;
}

absl::Status Evaluator::ReadItems(std::span<const RowId> ids) {
  absl::Status read = reader_.Read(kItems, ids, item_rows_);
  if (read.ok()) read = Add(FeatureSide::kItem, ids, item_rows_);
  if (read.ok()) scorer_.SetItems(ids, item_rows_);
  return read;
}

absl::Status Evaluator::Add(FeatureSide side, std::span<const RowId> ids, RowBlock& rows) {
  const TableId table = side == FeatureSide::kUser ? kUsers : kItems;
  const RowLayout& layout = options_.rows->layouts()[Index(table)];
  return features_.Add(side, ids, layout, reader_, rows);
}

void Evaluator::Gather(PartitionId partition, std::uint32_t slice) {
  const std::span<const std::uint64_t> offsets = options_.data->user_offsets();
  const std::span<const RowId> items = options_.data->item_column();
  const std::uint32_t slots = partitioning_.RowsIn(partition, options_.data->users());
  const std::uint32_t begin = std::min(slots, slice * kUsersMax);
  const std::uint32_t end = std::min(slots - begin, kUsersMax) + begin;
  for (std::uint32_t slot = begin; slot < end; ++slot) {
    User user;
    user.id = partitioning_.IdAt(partition, slot);
    user.next = offsets[Index(user.id)];
    user.first = static_cast<std::uint32_t>(positives_.size());
    for (std::uint64_t s = user.next; s < offsets[Index(user.id) + 1]; ++s) {
      if (options_.split->is_validation(s)) {
        positives_.push_back(items[s]);
      } else {
        user.cold = false;
      }
    }
    user.last = static_cast<std::uint32_t>(positives_.size());
    if (user.last == user.first) continue;
    users_.push_back(user);
    for (Sampled& sampled : sampled_) {
      sampled.candidates.Add(user.id, std::span(positives_).subspan(user.first));
    }
  }
}

absl::Status Evaluator::ScorePositives() {
  positive_scores_.resize(positives_.size());
  std::vector<std::uint32_t> next;  // By user: the first positive that is not below the block.
  for (const User& user : users_) next.push_back(user.first);
  for (std::uint32_t first = 0; first < items_; first = BlockEnd(first)) {
    const std::uint32_t end = BlockEnd(first);
    std::vector<std::uint32_t> place(end - first, 0);  // By item of the block: 1 + its row.
    for (std::uint32_t u = 0; u < users_.size(); ++u) {
      for (std::uint32_t k = next[u]; k < users_[u].last && Index(positives_[k]) < end; ++k) {
        place[Index(positives_[k]) - first] = 1;
      }
    }
    ids_.clear();
    for (std::uint32_t k = 0; k < place.size(); ++k) {
      if (place[k] == 0) continue;
      ids_.push_back(RowId{first + k});
      place[k] = static_cast<std::uint32_t>(ids_.size());
    }
    absl::Status read = ReadItems(ids_);
    if (!read.ok()) return read;
    for (std::uint32_t u = 0; u < users_.size(); ++u) {
      std::uint32_t& k = next[u];
      for (; k < users_[u].last && Index(positives_[k]) < end; ++k) {
        const std::uint32_t row = place[Index(positives_[k]) - first] - 1;
        scorer_.Score(u, row, std::span(positive_scores_).subspan(k, 1));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Evaluator::CountCandidates() {
  for (const Mask mask : {kMasked, kUnmasked}) {
    not_below_[mask].assign(counts_[mask] ? positives_.size() : 0, 0);
    tops_[mask].assign(list_length_[mask] > 0 ? users_.size() : 0, TopList(list_length_[mask]));
  }
  for (Sampled& sampled : sampled_) sampled.not_below.assign(positives_.size(), 0);
  scores_.resize(kItemsMax);
  for (std::uint32_t first = 0; first < items_; first = BlockEnd(first)) {
    const std::uint32_t end = BlockEnd(first);
    ids_.clear();
    // A seat without users in this slice keeps step and wants nothing.
    for (std::uint32_t item = first; item < end && !users_.empty(); ++item) {
      ids_.push_back(RowId{item});
    }
    absl::Status read = ReadItems(ids_);
    if (!read.ok()) return read;
    for (std::uint32_t u = 0; u < users_.size(); ++u) {
      const std::span<float> scores = std::span(scores_).first(end - first);
      scorer_.Score(u, 0, scores);
      CountUser(u, first, scores);
    }
  }
  TakeLists();
  return absl::OkStatus();
}

void Evaluator::CountUser(std::uint32_t u, std::uint32_t first_item, std::span<float> scores) {
  Count(kUnmasked, u, first_item, scores);
  for (Sampled& sampled : sampled_) {
    const std::span<const float> among = sampled.candidates.Take(u, first_item, scores);
    for (std::uint32_t k = users_[u].first; k < users_[u].last; ++k) {
      sampled.not_below[k] += CountNotBelow(among, positive_scores_[k]);
    }
  }
  const std::span<const RowId> items = options_.data->item_column();
  User& user = users_[u];
  const std::uint64_t end = options_.data->user_offsets()[Index(user.id) + 1];
  for (; user.next < end && Index(items[user.next]) < first_item + scores.size(); ++user.next) {
    if (!options_.split->is_validation(user.next)) {
      scores[Index(items[user.next]) - first_item] = kBelowAll;
    }
  }
  Count(kMasked, u, first_item, scores);
}

void Evaluator::Count(Mask mask, std::uint32_t u, std::uint32_t first_item,
                      std::span<const float> scores) {
  if (counts_[mask]) {
    for (std::uint32_t k = users_[u].first; k < users_[u].last; ++k) {
      not_below_[mask][k] += CountNotBelow(scores, positive_scores_[k]);
    }
  }
  if (list_length_[mask] == 0) return;
  tops_[mask][u].OfferRows(RowId{first_item}, scores, [](RowId) { return true; });
}

void Evaluator::TakeLists() {
  for (const Mask mask : {kMasked, kUnmasked}) {
    lists_[mask].clear();
    for (TopList& top : tops_[mask]) lists_[mask].push_back(top.Take());
  }
}

std::span<const ScoredRow> Evaluator::ListOf(const RankingMetric& metric, std::uint32_t u) const {
  const std::vector<ScoredRow>& list = lists_[metric.unmasked ? kUnmasked : kMasked][u];
  return std::span(list).first(std::min<std::size_t>(list.size(), metric.k));
}

absl::Status Evaluator::AddDistances(PartitionRanking& found) {
  std::vector<std::vector<double>> directions(options_.metrics.size());  // By metric: user by user.
  std::vector<std::vector<std::uint32_t>> counts(options_.metrics.size());
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    if (options_.metrics[m].figure != RankingFigure::kIntraListDistance) continue;
    directions[m].assign(users_.size() * scorer_.vector_dim(), 0);
    counts[m].assign(users_.size(), 0);
  }
  std::vector<bool> wanted(items_);
  for (const std::vector<std::vector<ScoredRow>>& lists : lists_) {
    for (const std::vector<ScoredRow>& list : lists) {
      for (const ScoredRow& item : list) wanted[Index(item.id)] = true;
    }
  }
  for (std::uint32_t first = 0; first < items_; first = BlockEnd(first)) {
    const std::uint32_t end = BlockEnd(first);
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
          std::span(directions[m]).subspan(u * scorer_.vector_dim(), scorer_.vector_dim());
      found.sums[m].Add(IntraListDistance(sum, static_cast<std::uint32_t>(length), counts[m][u]));
    }
  }
  return absl::OkStatus();
}

void Evaluator::AddDirections(const RankingMetric& metric, std::uint32_t first_item,
                              std::uint32_t last_item, std::vector<double>& directions,
                              std::vector<std::uint32_t>& counts) {
  const std::size_t dim = scorer_.vector_dim();
  std::vector<RowId> ids;
  for (std::uint32_t u = 0; u < users_.size(); ++u) {
    // By ascending id over all blocks, so that the sum does not depend on where blocks end.
    ids.clear();
    for (const ScoredRow& item : ListOf(metric, u)) {
      if (Index(item.id) >= first_item && Index(item.id) < last_item) ids.push_back(item.id);
    }
    std::sort(ids.begin(), ids.end());
    for (const RowId id : ids) {
      const auto row = std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin();
      const float* vector = scorer_.ItemVector(static_cast<std::size_t>(row));
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
  ranks_.Set(std::span(positive_scores_).subspan(user.first, positives),
             not_below.subspan(user.first, positives));
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    const RankingMetric& metric = options_.metrics[m];
    if (GoesByRanks(metric.figure) && among(metric)) AddUser(metric, ranks_, found.sums[m]);
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
