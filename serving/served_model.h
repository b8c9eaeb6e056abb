#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>

#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"
#include "common/kernels/network.h"
#include "common/kernels/objective.h"
#include "common/rows/tables.h"
#include "common/snapshot/snapshot.h"

namespace cf {

/// The weights of one table: a vector for each row, padded with zeros to a multiple of kLanes and
/// aligned to 64 bytes, and a bias for each row (0 where the table has none).
///
/// Owner:   ServedModel. Threads: any, once filled. Bounds: rows * (padded_dim + 1) floats.
class WeightTable {
 public:
  WeightTable() = default;
  /// All zeros.
  WeightTable(std::uint32_t rows, std::uint32_t dim);

  std::uint32_t rows() const { return rows_; }
  std::uint32_t dim() const { return dim_; }
  std::size_t padded_dim() const { return padded_dim_; }

  const float* vector(RowId id) const { return vectors_.get() + Index(id) * padded_dim_; }
  float* mutable_vector(RowId id) { return vectors_.get() + Index(id) * padded_dim_; }
  float bias(RowId id) const { return biases_.get()[Index(id)]; }
  float& mutable_bias(RowId id) { return biases_.get()[Index(id)]; }
  const float* biases() const { return biases_.get(); }

 private:
  struct Free {
    void operator()(float* floats) const { std::free(floats); }
  };
  using Floats = std::unique_ptr<float[], Free>;
  static Floats Zeros(std::size_t count);

  std::uint32_t rows_ = 0;
  std::uint32_t dim_ = 0;
  std::size_t padded_dim_ = 0;
  Floats vectors_;
  Floats biases_;
};

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
///          and the networks.
/// Invariants: all weights are finite.
class ServedModel {
 public:
  /// Sets the float mode of the calling thread. DataLoss if rows cannot be read; FailedPrecondition
  /// if the model is not of the kind served
  /// here, of another version of the arithmetic, or has weights that are not finite numbers.
  static absl::StatusOr<ServedModel> Load(const Snapshot& snapshot);

  /// A factorisation, of weights made elsewhere. Requires: users and items have the same dim;
  /// finite weights.
  static absl::StatusOr<ServedModel> Make(WeightTable users, WeightTable items,
                                          const Objective& objective);

  /// What a score is made of: the towers' outputs where there are towers of layers, else the rows.
  const WeightTable& users() const { return users_; }
  const WeightTable& items() const { return items_; }
  const Objective& objective() const { return objective_; }
  const KernelSet& kernels() const { return *kernels_; }
  /// Of a ranker; null for others, whose raw sum is a dot product and two biases.
  const Network* network() const { return network_.get(); }
  const RankerShape& ranker() const { return *ranker_; }
  /// Null where there are no towers of layers.
  const ServedTowers* towers() const { return towers_.get(); }

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

  WeightTable users_;
  WeightTable items_;
  Objective objective_;
  const KernelSet* kernels_ = nullptr;
  std::optional<RankerShape> ranker_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<ServedTowers> towers_;
};

}  // namespace cf
