#include "serving/exports/ranking_quality.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "common/base/partition.h"
#include "common/metrics/names.h"
#include "common/metrics/ranking.h"
#include "serving/exports/converted_arrays.h"

namespace cf {
namespace {

// Items that are scored together: their scores stay in the first cache.
constexpr std::uint32_t kTile = 1024;

WeightTable Rounded(const WeightTable& table, Precision precision) {
  WeightTable rounded(table.rows(), table.dim());
  for (std::uint32_t k = 0; k < table.rows(); ++k) {
    const RowId row{k};
    float* const vector = rounded.mutable_vector(row);
    std::copy_n(table.vector(row), table.dim(), vector);
    RoundRow(precision, {vector, table.dim()});
    rounded.mutable_bias(row) = RoundBias(precision, table.bias(row));
  }
  return rounded;
}

// The model's scorer without what is the same for all items of a user, as evaluation has it.
std::unique_ptr<Scorer> ScorerOf(const ServedModel& model) {
  Objective objective = model.objective();
  objective.mean = 0;
  std::unique_ptr<Scorer> scorer = model.spec().MakeScorer(objective, model.kernels());
  std::size_t number = 0;
  for (const Network& network : model.scorer().networks()) {
    for (std::size_t l = 0; l < network.shape().layers.size(); ++l) {
      const LayerShape& shape = network.shape().layers[l];
      std::vector<float> row;
      for (std::uint32_t i = 0; i < shape.inputs; ++i) {
        const float* const kernel = network.kernel_row(l, i);
        row.insert(row.end(), kernel, kernel + shape.units);
      }
      row.insert(row.end(), network.biases(l), network.biases(l) + shape.units);
      scorer->SetLayer(number++, row.data());
    }
  }
  return scorer;
}

WeightTable Through(const Network* tower, WeightTable table) {
  if (tower == nullptr) return table;
  WeightTable vectors(table.rows(), tower->shape().outputs());
  RunTower(*tower, table.view(), table.rows(), vectors.mutable_vector(RowId{0}),
           vectors.padded_dim());
  return vectors;
}

// Adds up the figures of users, one after the other, of items that stay the same.
class FigureOfUsers {
 public:
  // All are borrowed.
  FigureOfUsers(const Catalogue& catalogue, const Scorer& scorer, const WeightTable& items)
      : catalogue_(catalogue),
        scorer_(scorer),
        items_(items),
        workspace_(scorer.MakeWorkspace()),
        metric_(*ParseRankingMetric("val_ndcg_10")) {}

  // `vector` is the user's, as it is scored.
  void Add(RowId user, const RowsView& vector, MetricSum& sum) {
    const Dataset& data = catalogue_.data();
    const std::uint64_t first = data.user_offsets()[Index(user)];
    const std::uint64_t last = data.user_offsets()[Index(user) + 1];
    Score(vector);
    positives_.clear();
    candidates_.clear();
    std::uint32_t next = 0;  // The first item that is neither taken nor left out.
    for (std::uint64_t s = first; s < last; ++s) {
      const auto item = static_cast<std::uint32_t>(data.item_column()[s]);
      candidates_.insert(candidates_.end(), scores_.begin() + next, scores_.begin() + item);
      next = item + 1;
      if (!catalogue_.split().is_validation(s)) continue;
      positives_.push_back(scores_[item]);
      candidates_.push_back(scores_[item]);
    }
    candidates_.insert(candidates_.end(), scores_.begin() + next, scores_.end());
    not_below_.clear();
    for (const float score : positives_) not_below_.push_back(CountNotBelow(candidates_, score));
    places_.Set(positives_, not_below_);
    AddUser(metric_, places_, sum);
  }

 private:
  void Score(const RowsView& vector) {
    scores_.resize(items_.rows());
    for (std::uint32_t item = 0; item < items_.rows(); item += kTile) {
      const std::uint32_t count = std::min(kTile, items_.rows() - item);
      scorer_.Score(vector, items_.view().From(item), {}, *workspace_,
                    std::span(scores_).subspan(item, count));
    }
  }

  const Catalogue& catalogue_;
  const Scorer& scorer_;
  const WeightTable& items_;
  std::unique_ptr<Scorer::Workspace> workspace_;
  const RankingMetric metric_;
  std::vector<float> scores_;
  std::vector<float> positives_;
  std::vector<float> candidates_;
  std::vector<std::uint32_t> not_below_;
  UserPlaces places_;
};

bool HasPositive(const Catalogue& catalogue, RowId user) {
  const std::span<const std::uint64_t> offsets = catalogue.data().user_offsets();
  for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
    if (catalogue.split().is_validation(s)) return true;
  }
  return false;
}

// Calls `visit` with the vector of each user, before it goes through a tower.
absl::Status VisitEmbeddings(const ServedModel& model,
                             const std::function<void(std::span<const float>)>& visit) {
  if (!model.has_towers()) {
    return model.VisitUsers([&visit](std::span<const float> vector, float) {
      visit(vector);
      return absl::OkStatus();
    });
  }
  const WeightTable& users = model.user_embeddings();
  for (std::uint32_t k = 0; k < users.rows(); ++k) visit({users.vector(RowId{k}), users.dim()});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::optional<RankingCost>> MeasureRankingCost(const ExportSubject& subject,
                                                              Precision precision) {
  const ServedModel& model = subject.model;
  const Catalogue& catalogue = subject.catalogue;
  if (catalogue.split().validation_count() == 0 || !model.spec().ranks()) return std::nullopt;
  SetFloatMode();
  const std::unique_ptr<Scorer> scorer = ScorerOf(model);
  const Network* const user_tower = scorer->tower(NetworkRole::kUser);
  const WeightTable rounded =
      Through(scorer->tower(NetworkRole::kItem), Rounded(model.item_embeddings(), precision));
  FigureOfUsers before(catalogue, *scorer, model.items());
  FigureOfUsers after(catalogue, *scorer, rounded);
  const Partitioning partitioning(subject.snapshot.manifest().partitions());
  std::vector<MetricSum> sums_before(partitioning.count());
  std::vector<MetricSum> sums_after(partitioning.count());
  std::uint32_t number = 0;
  const auto add = [&](std::span<const float> vector) {
    const RowId user{number++};
    if (!HasPositive(catalogue, user)) return;
    WeightTable own(1, static_cast<std::uint32_t>(vector.size()));
    std::ranges::copy(vector, own.mutable_vector(RowId{0}));
    const WeightTable own_rounded = Through(user_tower, Rounded(own, precision));
    own = Through(user_tower, std::move(own));
    const std::size_t partition = Index(partitioning.Of(user));
    // Without its bias, which is the same for all items.
    before.Add(user, own.view().Only(0), sums_before[partition]);
    after.Add(user, own_rounded.view().Only(0), sums_after[partition]);
  };
  if (absl::Status visited = VisitEmbeddings(model, add); !visited.ok()) return visited;
  return RankingCost{.before = MeanOf(sums_before), .after = MeanOf(sums_after)};
}

}  // namespace cf
