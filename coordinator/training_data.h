#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/config/job.pb.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/features/feature_lists.h"
#include "common/model/model_spec.h"

namespace cf {

/// A job's model and what it is trained on: a data set with its split, the statistics of the
/// training samples, and what the features of the model are made of.
struct TrainingData {
  std::unique_ptr<const ModelSpec> model;
  Dataset data;
  DataSplit split;
  TrainingStatistics statistics;
  std::vector<FeatureLists> features;  ///< In the model's order.

  /// Errors are Dataset's, DataSplit's, ComputeTrainingStatistics' and MakeFeatureLists'.
  static absl::StatusOr<TrainingData> Open(const Job& job);
  /// What a rank that works for `users` needs of it, by what another found in all samples.
  /// Requires: Open succeeds for the same data set and job.
  static absl::StatusOr<TrainingData> OpenPart(const Job& job, const UsersOfPartitions& users,
                                               const RandomCut& cut,
                                               const TrainingStatistics& statistics);
  /// Makes it what a rank needs that works for these users, too.
  void Include(const Job& job, const UsersOfPartitions& users) {
    split.Include(users, data, job.split());
  }
  /// The tables and the objective of the model over this data.
  std::vector<TableSpec> Tables() const;
  Objective MakeObjective() const;
  std::uint64_t steps_per_epoch(const Job& job) const;
};

/// The turns that scoring `samples` of the job takes. Where those of a turn are candidates against
/// each other, losses are of batches as large as in training.
std::uint64_t ScoringTurns(const Job& job, const ModelSpec& model, std::uint64_t samples);

/// The same of each partition where partitions are scored one after the other, as with BLOCKS, whose
/// users may not be in memory all at once.
std::uint64_t ScoringTurnsOfPartition(const Job& job, std::uint64_t samples);

}  // namespace cf
