#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/ids.h"
#include "common/config/job.pb.h"
#include "common/kernels/network.h"
#include "common/kernels/objective.h"
#include "common/rows/layout.h"

namespace cf {

/// The first dense layer's table; the others follow. A layer is a table of its own with one row, so
/// that layers of different sizes are stored, sent and written with no padding between them.
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
};

/// The softmax over a batch's items that trains a retrieval model.
struct SoftmaxShape {
  std::uint32_t dim = 0;
  float inverse_temperature = 1;
  float weight = 1;  ///< Of a sample's loss in the batch's.
  bool logq_correction = false;
  bool remove_accidental_hits = false;
};

/// The tables of the job's model, by TableId. Requires: a validated job with its defaults filled
/// in.
std::vector<TableSpec> TablesOf(const Job& job, std::uint32_t users, std::uint32_t items);

/// The dense layers of the job's model; nothing where it has none. Requires: as TablesOf.
std::optional<NetworkShape> NetworkOf(const Job& job);

/// The softmax of the job's model; nothing where it is not retrieval. Requires: as TablesOf.
std::optional<SoftmaxShape> SoftmaxOf(const Job& job);

/// How the job's model predicts from a raw sum. Requires: as TablesOf.
MatrixFactorization::Link LinkOf(const Job& job);

/// What the job's model makes of a raw sum, given the mean, smallest and largest training rating.
/// Requires: as TablesOf.
Objective ObjectiveOf(const Job& job, double mean, float rating_min, float rating_max);

std::vector<RowLayout> LayoutsOf(const std::vector<TableSpec>& tables);

}  // namespace cf
