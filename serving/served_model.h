#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/kernels/objective.h"
#include "common/model/tables.h"
#include "common/snapshot/snapshot.h"
#include "serving/catalogue.h"
#include "serving/served_features.h"
#include "serving/weight_table.h"

namespace cf {

/// A user and an item whose rating is to be predicted.
struct UserItem {
  RowId user{};
  RowId item{};
};

/// The towers of a retrieval model: the rows of users and items, and what they go through.
struct ServedTowers {
  ServedTowers(const TowerShapes& shapes, const KernelSet& kernels)
      : user(shapes.user, kernels), item(shapes.item, kernels) {}

  WeightTable user_embeddings;
  WeightTable item_embeddings;
  Network user;
  Network item;
};

/// A trained model as serving needs it: weights without optimizer state, and how a raw sum becomes
/// a rating. Scores have the bits that training and validation compute: the same kernels in the
/// same order (docs/arithmetic.md).
///
/// Owner:   whoever loaded it.
/// Threads: any; constant after loading. Threads that score have called SetFloatMode().
/// Bounds:  one WeightTable of users and one of items, two each where they have towers of layers,
///          and the networks; for each feature one of its own and perhaps another of users or
///          items. A catalogue that it was loaded with outlives it.
/// Invariants: all weights are finite.
class ServedModel {
 public:
  /// Sets the float mode of the calling thread. DataLoss if rows cannot be read; FailedPrecondition
  /// if the model is not of the kind served
  /// here, of another version of the arithmetic, or has weights that are not finite numbers.
  /// A model with features needs the catalogue of the snapshot; loading it sets the float mode of
  /// the calling thread.
  static absl::StatusOr<ServedModel> Load(const Snapshot& snapshot,
                                          const Catalogue* catalogue = nullptr);

  /// A factorisation, of weights made elsewhere. Requires: users and items have the same dim;
  /// finite weights.
  static absl::StatusOr<ServedModel> Make(WeightTable users, WeightTable items,
                                          const Objective& objective);

  /// What a score is made of: the towers' outputs where there are towers of layers, else the rows,
  /// of a factorisation with its features added.
  const WeightTable& users() const { return users_; }
  const WeightTable& items() const { return items_; }
  const Objective& objective() const { return objective_; }
  const KernelSet& kernels() const { return *kernels_; }
  /// Of a ranker; null for others, whose raw sum is a dot product and two biases.
  const Network* network() const { return network_.get(); }
  const RankerShape& ranker() const { return *ranker_; }
  /// Null where there are no towers of layers.
  const ServedTowers* towers() const { return towers_.get(); }
  /// In the order of the job.
  const std::vector<ServedFeature>& features() const { return features_; }

  /// The sum before the link: what is ranked by. Requires: ids within the tables.
  float RawScore(RowId user, RowId item) const;

  /// The same for many pairs, faster for a ranker. Requires: scores.size() == pairs.size().
  void RawScores(std::span<const UserItem> pairs, std::span<float> scores) const;

  /// The predicted rating. Requires: as RawScore.
  float Predict(RowId user, RowId item) const {
    return PredictedRating(objective_, RawScore(user, item));
  }

 private:
  ServedModel() = default;
  void TakeWeights(TableId table, RowId id, std::span<const float> row);
  void RunTowers();
  void ComposeFeatures();

  WeightTable users_;
  WeightTable items_;
  Objective objective_;
  const KernelSet* kernels_ = nullptr;
  std::optional<RankerShape> ranker_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<ServedTowers> towers_;
  TableId first_feature_{};
  std::vector<ServedFeature> features_;
};

}  // namespace cf
