#include "serving/served_model.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/model/tables.h"

namespace cf {
namespace {

// Whether the tables of layers from `first` on are those of `network`.
bool HasLayers(const Manifest& manifest, std::size_t first, const NetworkShape& network) {
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const SnapshotTable& layer = manifest.tables(static_cast<int>(first + l));
    if (layer.rows() != 1 || layer.dim() != network.layers[l].weights()) return false;
  }
  return true;
}

absl::Status CheckTables(const Manifest& manifest) {
  const std::optional<RankerShape> ranker = RankerOf(manifest.job());
  const std::optional<TowerShapes> towers = TowersOf(manifest.job());
  const std::size_t layers = ranker.has_value()   ? ranker->network.layers.size()
                             : towers.has_value() ? towers->layers()
                                                  : 0;
  const int features = FeaturesOf(manifest.job()).size();
  if (manifest.tables_size() != static_cast<int>(Index(kFirstLayer) + layers) + features) {
    return absl::FailedPreconditionError(
        layers > 0 || features > 0 ? "the snapshot has other tables than its model's job says"
                                   : "the model is not one of users and items");
  }
  const SnapshotTable& users = manifest.tables(0);
  const SnapshotTable& items = manifest.tables(1);
  if (layers == 0) {
    if (users.dim() == items.dim() && users.bias() == items.bias()) return absl::OkStatus();
    return absl::FailedPreconditionError("the vectors of users and items are of different forms");
  }
  const std::size_t first = Index(kFirstLayer);
  const bool same = ranker.has_value()
                        ? users.dim() == ranker->user_dim && items.dim() == ranker->item_dim &&
                              HasLayers(manifest, first, ranker->network)
                        : users.dim() == towers->user.inputs &&
                              items.dim() == towers->item.inputs &&
                              HasLayers(manifest, first, towers->user) &&
                              HasLayers(manifest, first + towers->user.layers.size(), towers->item);
  if (same) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the snapshot's tables have other sizes than its model's job says");
}

// The outputs of a tower for all rows of `from`.
WeightTable Through(const Network& tower, const WeightTable& from) {
  const NetworkShape& shape = tower.shape();
  WeightTable to(from.rows(), shape.outputs());
  Network::Passage passage(shape, Network::Passage::Use::kForward);
  for (std::uint32_t first = 0; first < from.rows(); first += Network::kBlock) {
    const auto n = std::min<std::uint32_t>(Network::kBlock, from.rows() - first);
    for (std::uint32_t s = 0; s < n; ++s) {
      std::copy_n(from.vector(RowId{first + s}), shape.inputs, passage.input(s));
    }
    tower.Forward(n, passage);
    for (std::uint32_t s = 0; s < n; ++s) {
      std::copy_n(passage.outputs(s), shape.outputs(), to.mutable_vector(RowId{first + s}));
    }
  }
  return to;
}

}  // namespace

absl::StatusOr<ServedModel> ServedModel::Make(WeightTable users, WeightTable items,
                                              const Objective& objective) {
  Check(users.dim() == items.dim(), "the vectors of users and items are equally long");
  const absl::StatusOr<const KernelSet*> kernels = KernelsFor(KernelTarget::kBest);
  if (!kernels.ok()) return kernels.status();
  ServedModel model;
  model.users_ = std::move(users);
  model.items_ = std::move(items);
  model.objective_ = objective;
  model.kernels_ = *kernels;
  return model;
}

absl::StatusOr<ServedModel> ServedModel::Load(const Snapshot& snapshot,
                                              const Catalogue* catalogue) {
  const Manifest& manifest = snapshot.manifest();
  if (manifest.job().model().kind_case() == Model::KIND_NOT_SET) {
    return absl::FailedPreconditionError("the snapshot's model is of a kind that is not served");
  }
  if (absl::Status tables = CheckTables(manifest); !tables.ok()) return tables;
  if (manifest.arithmetic_version() != kArithmeticVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the snapshot was computed by version ", manifest.arithmetic_version(),
                     " of the arithmetic; this program has version ", kArithmeticVersion));
  }
  const absl::StatusOr<const KernelSet*> kernels = KernelsFor(KernelTarget::kBest);
  if (!kernels.ok()) return kernels.status();
  const SnapshotStatistics& statistics = manifest.statistics();
  ServedModel model;
  model.kernels_ = *kernels;
  model.objective_ =
      ObjectiveOf(manifest.job(), statistics.mean(), static_cast<float>(statistics.min()),
                  static_cast<float>(statistics.max()));
  model.users_ = WeightTable(manifest.tables(0).rows(), manifest.tables(0).dim());
  model.items_ = WeightTable(manifest.tables(1).rows(), manifest.tables(1).dim());
  model.ranker_ = RankerOf(manifest.job());
  if (model.ranker_.has_value()) {
    model.network_ = std::make_unique<Network>(model.ranker_->network, **kernels);
  }
  const std::optional<TowerShapes> towers = TowersOf(manifest.job());
  if (towers.has_value() && towers->layers() > 0) {
    model.towers_ = std::make_unique<ServedTowers>(*towers, **kernels);
  }
  absl::StatusOr<std::vector<ServedFeature>> features = OpenFeatures(manifest, catalogue);
  if (!features.ok()) return features.status();
  model.features_ = *std::move(features);
  model.first_feature_ = FirstFeatureOf(manifest.job());
  const auto take = [&](TableId table, RowId id, std::span<const float> record) -> absl::Status {
    const SnapshotTable& shape = manifest.tables(static_cast<int>(Index(table)));
    const std::span<const float> row = record.first(shape.dim() + (shape.bias() ? 1 : 0));
    if (!std::all_of(row.begin(), row.end(), [](float w) { return std::isfinite(w); })) {
      return absl::FailedPreconditionError(
          absl::StrCat("table ", shape.name(), ", id ", Index(id),
                       " has a weight that is not a finite number: training diverged"));
    }
    model.TakeWeights(table, id, row);
    return absl::OkStatus();
  };
  for (std::uint32_t p = 0; p < manifest.partitions(); ++p) {
    if (absl::Status read = snapshot.ReadPartition(PartitionId{p}, take); !read.ok()) return read;
  }
  if (model.towers_ != nullptr) model.RunTowers();
  if (!model.features_.empty()) model.ComposeFeatures();
  return model;
}

void ServedModel::TakeWeights(TableId table, RowId id, std::span<const float> row) {
  const bool of_feature = table >= first_feature_;
  if (table < kFirstLayer || of_feature) {
    WeightTable& target = table == kUsers   ? users_
                          : table == kItems ? items_
                                            : features_[Index(table) - Index(first_feature_)].rows;
    std::copy_n(row.begin(), target.dim(), target.mutable_vector(id));
    if (row.size() > target.dim()) target.mutable_bias(id) = row.back();
    return;
  }
  const std::size_t l = Index(table) - Index(kFirstLayer);
  if (network_ != nullptr) return network_->SetLayer(l, row.data());
  const std::size_t of_users = towers_->user.shape().layers.size();
  if (l < of_users) return towers_->user.SetLayer(l, row.data());
  towers_->item.SetLayer(l - of_users, row.data());
}

void ServedModel::RunTowers() {
  SetFloatMode();
  towers_->user_embeddings = std::move(users_);
  towers_->item_embeddings = std::move(items_);
  users_ = Through(towers_->user, towers_->user_embeddings);
  items_ = Through(towers_->item, towers_->item_embeddings);
}

void ServedModel::ComposeFeatures() {
  SetFloatMode();
  for (ServedFeature& feature : features_) {
    const FeatureSide side = feature.lists.side();
    if (side == FeatureSide::kSample) continue;
    feature.Compose(side == FeatureSide::kUser ? users_.rows() : items_.rows());
  }
  if (network_ != nullptr) return;
  AddFeatures(features_, FeatureSide::kUser, users_);
  AddFeatures(features_, FeatureSide::kItem, items_);
}

float ServedModel::RawScore(RowId user, RowId item) const {
  const UserItem pair{.user = user, .item = item};
  float score = 0;
  RawScores(std::span(&pair, 1), std::span(&score, 1));
  return score;
}

void ServedModel::RawScores(std::span<const UserItem> pairs, std::span<float> scores) const {
  Check(pairs.size() == scores.size(), "there is room for a score of each pair");
  if (network_ == nullptr) {
    for (std::size_t k = 0; k < pairs.size(); ++k) {
      const auto [user, item] = pairs[k];
      const float dot =
          kernels_->dot(users_.vector(user), items_.vector(item), users_.padded_dim());
      scores[k] = RawSum(objective_, users_.bias(user), items_.bias(item), dot);
    }
    return;
  }
  const RankerShape& shape = *ranker_;
  Network::Passage passage(shape.network, Network::Passage::Use::kForward);
  for (std::size_t first = 0; first < pairs.size(); first += Network::kBlock) {
    const std::size_t n = std::min(Network::kBlock, pairs.size() - first);
    for (std::size_t s = 0; s < n; ++s) {
      const auto [user, item] = pairs[first + s];
      std::copy_n(users_.vector(user), shape.user_dim, passage.input(s) + shape.user_at());
      std::copy_n(items_.vector(item), shape.item_dim, passage.input(s) + shape.item_at());
      float* at = passage.input(s) + shape.features_at();
      for (std::size_t f = 0; f < features_.size(); ++f) {
        at = std::copy_n(features_[f].VectorOf(user, item), shape.feature_dims[f], at);
      }
    }
    network_->Forward(n, passage);
    for (std::size_t s = 0; s < n; ++s) scores[first + s] = passage.output(s);
  }
}

}  // namespace cf
