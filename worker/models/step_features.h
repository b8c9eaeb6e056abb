#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/features/feature_lists.h"
#include "common/kernels/kernels.h"
#include "common/model/tables.h"
#include "worker/models/batch_feature.h"
#include "worker/step_model.h"

namespace cf {

/// The features of a model in its steps: the rows that a batch has of them, the vectors that these
/// become, and their gradients. What is made of the vectors is for the kind to say.
///
/// Owner:   the StepModel of a kind with features.
/// Threads: the seat's compute thread.
/// Bounds:  those of a BatchFeature each.
class StepFeatures {
 public:
  explicit StepFeatures(const StepModel::Options& options);

  struct Entry {
    TableId table{};
    BatchFeature feature;
  };
  /// The gradients of the vectors that were composed for a feature: by part of users or items.
  struct VectorGradients {
    const float* first = nullptr;
    std::size_t stride = 0;
  };

  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  Entry& operator[](std::size_t k) { return entries_[k]; }

  /// The table whose rows have the features of that side. Requires: not a sample's.
  static TableId TableOf(FeatureSide side) { return side == FeatureSide::kUser ? kUsers : kItems; }

  /// Adds the next sample's own rows to the batch.
  void AddSample(const PartitionShare& share, RowId user, RowId item, Minibatch& batch) const;

  /// Ends a batch that has its users and items: adds what these bring.
  void EndBatch(Minibatch& batch);

  /// Composes the vectors of users' and items' features. Those of samples' are their rows.
  void Compose(const Minibatch& batch);

  /// Takes the gradients of the vectors of partition `p` of the seat's range; `gradients_of(k)` are
  /// the VectorGradients of feature k. Not of samples' features.
  template <class GradientsOf>
  void Take(const Step& step, std::uint32_t p, const GradientsOf& gradients_of) {
    for (std::size_t k = 0; k < entries_.size(); ++k) {
      const FeatureSide side = entries_[k].feature.side();
      if (side == FeatureSide::kSample) continue;
      const std::vector<std::size_t>& ends =
          side == FeatureSide::kUser ? step.batch.user_parts_end : step.batch.item_parts_end;
      const VectorGradients gradients = gradients_of(k);
      entries_[k].feature.Take(p == 0 ? 0 : ends[p - 1], ends[p], gradients.first,
                               gradients.stride);
    }
  }

  /// As StepModel::Collect. False for tables that are not those of users' or items' features.
  bool Collect(const Step& step, TableId table, std::uint32_t server, OwnPartials& into);

 private:
  std::vector<const FeatureLists*> lists_;  // By feature of the model,
  std::vector<Entry> entries_;              // as these.
};

}  // namespace cf
