#include "worker/evaluator.h"

#include <algorithm>
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

/// Length of the items' vectors, padded: what distances are taken of.
std::size_t VectorDim(const Scorer& scorer, const RowLayout& items) {
  const Network* tower = scorer.tower(NetworkRole::kItem);
  return tower == nullptr ? items.padded_dim() : PaddedDim(tower->shape().outputs());
}

bool HasDistances(std::span<const RankingMetric> metrics) {
  return std::any_of(metrics.begin(), metrics.end(), [](const RankingMetric& metric) {
    return metric.figure == RankingFigure::kIntraListDistance;
  });
}

}  // namespace

std::span<const UserItem> RankedPairs::Of(RowId user) const {
  const auto [first, last] =
      std::equal_range(pairs.begin(), pairs.end(), UserItem{.user = user, .item = {}},
                       [](const UserItem& a, const UserItem& b) { return a.user < b.user; });
  return {first, last};
}

std::vector<std::uint32_t> CountTrainingSamples(const Dataset& data, const DataSplit& split) {
  Check(split.whole(), "the samples of all users are counted");
  std::vector<std::uint32_t> counts(data.items());
  const std::span<const RowId> items = data.item_column();
  for (std::uint64_t s = 0; s < items.size(); ++s) {
    if (!split.is_validation(s)) ++counts[Index(items[s])];
  }
  data.GiveBackPages();
  return counts;
}

std::uint64_t Evaluator::TurnsOf(const Placement& placement, const Dataset& data,
                                 std::span<const RankingMetric> metrics, std::size_t layers,
                                 std::span<const FeatureLists> added) {
  const std::uint64_t passes = HasDistances(metrics) ? 3 : 2;
  const std::uint64_t of_users = 1 + FeatureReader::TurnsOf(added, FeatureSide::kUser);
  const std::uint64_t of_chunk = 1 + FeatureReader::TurnsOf(added, FeatureSide::kItem);
  const std::uint64_t of_slice = of_users + passes * of_chunk * CeilOf(data.items(), kItemsMax);
  return layers + of_slice * placement.workers().largest() * SlicesOf(placement, data.users());
}

Evaluator::Evaluator(Options options)
    : options_(std::move(options)),
      partitioning_(options_.rows->placement().partitioning()),
      scorer_(*options_.scorer),
      workspace_(scorer_.MakeWorkspace()),
      items_(options_.data->items()),
      vector_dim_(VectorDim(scorer_, options_.rows->layouts()[Index(kItems)])),
      reader_(*options_.rows, options_.turn),
      features_(options_.added),
      distances_(HasDistances(options_.metrics)),
      listed_(options_.metrics.size()) {
  for (std::size_t m = 0; m < options_.metrics.size(); ++m) {
    const RankingMetric& metric = options_.metrics[m];
    const Mask mask = metric.unmasked ? kUnmasked : kMasked;
    if (metric.sampled > 0) {
      SampledOf(metric.sampled);
    } else if (GoesByPlaces(metric.figure)) {
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

std::uint32_t Evaluator::ChunkEnd(std::uint32_t first_item) const {
  return std::min(items_ - first_item, kItemsMax) + first_item;
}

absl::Status Evaluator::Run(std::span<PartitionRanking> found) {
  const Placement& placement = options_.rows->placement();
  const SeatRange range = placement.workers().range(options_.rows->seat());
  Check(found.size() == range.size(), "what is found is by partition of the seat's range");
  for (PartitionRanking& partition : found) partition.sums.resize(options_.metrics.size());
  if (absl::Status read = ReadLayers(); !read.ok()) return read;
  PartitionRanking nothing = {.sums = std::vector<MetricSum>(options_.metrics.size())};
  for (std::uint32_t p = 0; p < placement.workers().largest(); ++p) {
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
      options_.data->GiveBackPages();
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
  if (!read.ok()) return read;
  users_view_ = Through(NetworkRole::kUser, user_rows_, user_vectors_);
  // What is the same for all items of a user is left out.
  users_view_.biases = nullptr;
  users_view_.bias_stride = 0;
  return absl::OkStatus();
}

absl::Status Evaluator::ReadItems(std::span<const RowId> ids) {
  absl::Status read = reader_.Read(kItems, ids, item_rows_);
  if (read.ok()) read = Add(FeatureSide::kItem, ids, item_rows_);
  if (read.ok()) items_view_ = Through(NetworkRole::kItem, item_rows_, item_vectors_);
  return read;
}

RowsView Evaluator::Through(NetworkRole side, const RowCopies& rows, RowCopies& vectors) const {
  const TableId table = side == NetworkRole::kUser ? kUsers : kItems;
  const std::size_t padded_dim = options_.rows->layouts()[Index(table)].padded_dim();
  const RowsView view{.vectors = rows.row(0),
                      .stride = rows.stride(),
                      .biases = rows.row(0) + padded_dim,
                      .bias_stride = rows.stride()};
  const Network* tower = scorer_.tower(side);
  if (tower == nullptr) return view;
  vectors.Resize(rows.rows(), RowLayout({.name = {}, .dim = tower->shape().outputs()}));
  RunTower(*tower, view, rows.rows(), vectors.row(0), vectors.stride());
  return {.vectors = vectors.row(0), .stride = vectors.stride()};
}

void Evaluator::Score(std::size_t user, std::size_t first_row, std::span<float> scores) {
  scorer_.Score(users_view_.Only(user), items_view_.From(first_row), {}, *workspace_, scores);
}

absl::Status Evaluator::Add(FeatureSide side, std::span<const RowId> ids, RowCopies& rows) {
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
      if (!options_.split->is_validation(s)) {
        user.cold = false;
      } else if (options_.pairs == nullptr) {
        positives_.push_back(items[s]);
      }
    }
    if (options_.pairs != nullptr) {
      for (const UserItem& pair : options_.pairs->Of(user.id)) positives_.push_back(pair.item);
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
  std::vector<std::uint32_t> next;  // By user: the first positive that is not below the chunk.
  for (const User& user : users_) next.push_back(user.first);
  for (std::uint32_t first = 0; first < items_; first = ChunkEnd(first)) {
    const std::uint32_t end = ChunkEnd(first);
    std::vector<std::uint32_t> place(end - first, 0);  // By item of the chunk: 1 + its row.
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
        Score(u, row, std::span(positive_scores_).subspan(k, 1));
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
  for (std::uint32_t first = 0; first < items_; first = ChunkEnd(first)) {
    const std::uint32_t end = ChunkEnd(first);
    ids_.clear();
    // A seat without users in this slice keeps step and wants nothing.
    for (std::uint32_t item = first; item < end && !users_.empty(); ++item) {
      ids_.push_back(RowId{item});
    }
    absl::Status read = ReadItems(ids_);
    if (!read.ok()) return read;
    for (std::uint32_t u = 0; u < users_.size(); ++u) {
      const std::span<float> scores = std::span(scores_).first(end - first);
      Score(u, 0, scores);
      CountUser(u, first, scores);
    }
  }
  TakeLists();
  return absl::OkStatus();
}

// Whether masked metrics leave out the item of a sample of the user.
bool Evaluator::Masks(const User& user, std::uint64_t sample) const {
  const bool validation = options_.split->is_validation(sample);
  if (options_.pairs == nullptr) return !validation;
  if (!(validation ? options_.pairs->masks_validation : options_.pairs->masks_training)) {
    return false;
  }
  const std::span<const RowId> positives =
      std::span(positives_).subspan(user.first, user.last - user.first);
  return !std::binary_search(positives.begin(), positives.end(),
                             options_.data->item_column()[sample]);
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
    if (Masks(user, user.next)) {
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

}  // namespace cf
