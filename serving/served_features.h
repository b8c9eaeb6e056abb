#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/files.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/model_spec.h"
#include "common/snapshot/manifest.h"
#include "serving/catalogue.h"
#include "serving/weight_table.h"

namespace cf {

/// A feature of a served model: the weights of its table, and the vectors that they make.
///
/// Owner:   ServedModel.
/// Threads: any, once composed.
struct ServedFeature {
  FeatureLists lists;
  WeightTable rows;
  /// Of a user's or an item's feature: its vector and bias, by user or item; else empty.
  WeightTable composed = {};
  /// What the lists of a feature of samples borrow, where it is of an export.
  MappedFile rows_of_samples = {};

  /// What somebody has of the feature who has `of_entry` of its rows: added to the zeros in `vector`,
  /// which has the table's padding, and `bias`. Requires: all rows are there; the thread has called
  /// SetFloatMode().
  void Compose(std::span<const RowId> of_entry, const KernelSet& kernels, float* vector,
               float& bias) const;

  /// Fills `composed` for `entries` users or items, in the order of operations of training.
  /// Requires: all rows are there; the thread has called SetFloatMode().
  void Compose(std::uint32_t entries, const KernelSet& kernels);

  /// What a pair has of a feature of samples. A pair that is not in the data set is as new as its
  /// newest sample.
  const float* VectorOfSample(RowId user, RowId item) const {
    return rows.vector(lists.RowOfSample(user, item).value_or(lists.newest()));
  }
};

/// Those of the snapshot's model, with zeros for weights. FailedPrecondition: the model has
/// features and `catalogue` is null, or a table has other rows than the data set has. Requires: the
/// tables are those of `spec`.
absl::StatusOr<std::vector<ServedFeature>> OpenFeatures(const Manifest& manifest,
                                                        const ModelSpec& spec,
                                                        const Catalogue* catalogue);

/// Adds the vectors and biases of users' or items' features to theirs, feature by feature.
void AddFeatures(const std::vector<ServedFeature>& features, FeatureSide side,
                 const KernelSet& kernels, WeightTable& to);

}  // namespace cf
