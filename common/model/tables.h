#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/config/job.pb.h"
#include "common/kernels/network.h"
#include "common/kernels/objective.h"
#include "common/model/block_schedule.h"
#include "common/model/layout.h"

namespace cf {

/// The first dense layer's table; the others follow, and then those of features. A layer is a table
/// of its own with one row, so that layers of different sizes are stored, sent and written with no
/// padding between them.
inline constexpr TableId kFirstLayer{2};

/// A table of the model with what decides its rows besides gradients.
struct TableSpec {
  TableShape shape;
  /// Where the row is a dense layer: its kernel and biases, which are all in the row's vector.
  std::optional<LayerShape> layer;
  Initial vectors;        ///< Initial values of the vectors (of a layer: the kernel),
  Initial biases;         ///< and of the biases.
  double l2_vectors = 0;  ///< lambda: adds lambda * sum(w^2) over the touched rows to the loss.
  double l2_biases = 0;
  double bias_rate = 1;  ///< The biases' learning rate over the vectors'.
};

/// A ranker: a network with one output on a user's and an item's vector, side by side, and those of
/// features behind them.
struct RankerShape {
  std::uint32_t user_dim = 0;
  std::uint32_t item_dim = 0;
  bool item_first = false;
  std::vector<std::uint32_t> feature_dims = {};
  NetworkShape network;

  /// Where the vectors begin in the input.
  std::uint32_t user_at() const { return item_first ? item_dim : 0; }
  std::uint32_t item_at() const { return item_first ? 0 : user_dim; }
  std::uint32_t features_at() const { return user_dim + item_dim; }
};

/// The towers of a retrieval model, from the vectors of users and items to what is multiplied.
/// Their outputs have the same length. The user tower's layers come first among the tables.
struct TowerShapes {
  NetworkShape user;
  NetworkShape item;

  std::size_t layers() const { return user.layers.size() + item.layers.size(); }
};

/// The softmax over a batch's items that trains a retrieval model.
struct SoftmaxShape {
  std::uint32_t dim = 0;
  float inverse_temperature = 1;
  float weight = 1;  ///< Of a sample's loss in the batch's.
  bool logq_correction = false;
  bool remove_accidental_hits = false;
};

/// The features of the job's model, in its order.
const google::protobuf::RepeatedPtrField<Feature>& FeaturesOf(const Job& job);

/// The name of the table of a feature: "genres".
const char* FeatureTableName(Feature::Source source);

/// The tables of the job's model, by TableId: users, items, dense layers, features.
/// `feature_rows[k]` is how many rows that of feature k has, which the data set decides. Requires:
/// a validated job with its defaults filled in.
std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items,
                                std::span<const std::uint32_t> feature_rows = {});

/// The table of the first feature, where there is one. Requires: as TablesOf.
TableId FirstFeatureOf(const Job& job);

/// The job's model where it is a ranker; else nothing. Requires: as TablesOf.
std::optional<RankerShape> RankerOf(const Job& job);

/// The towers of the job's model, perhaps without layers; nothing where it is not retrieval.
/// Requires: as TablesOf.
std::optional<TowerShapes> TowersOf(const Job& job);

/// The softmax of the job's model; nothing where it is not retrieval. Requires: as TablesOf.
std::optional<SoftmaxShape> SoftmaxOf(const Job& job);

/// How the job's model predicts from a raw sum. Requires: as TablesOf.
MatrixFactorization::Link LinkOf(const Job& job);

/// How many negatives follow each sample of the job's model; 0 where it learns from ratings.
/// Requires: as TablesOf.
std::uint32_t NegativesOf(const Job& job);

/// What the job's model makes of a raw sum, given the mean, smallest and largest training rating.
/// Requires: as TablesOf.
Objective ObjectiveOf(const Job& job, double mean, float rating_min, float rating_max);

/// The schedule of the job where it is BLOCKS; else nothing. Requires: as TablesOf.
std::optional<BlockSchedule> BlocksOf(const Job& job, std::uint64_t steps_per_epoch);

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables);

}  // namespace cf
