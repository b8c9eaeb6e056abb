#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "worker/minibatch.h"

namespace cf {

/// The items of all samples of the job, in the order in which batches take them: those of other
/// seats' samples are candidates too, so every seat knows them, without their users and ratings.
///
/// Owner:   TowerModel.
/// Threads: the seat's compute thread.
/// Bounds:  kBytesPerSample, and 4 bytes an item. Every epoch all of the job's samples are shuffled
///          by every seat.
/// Invariants: a partition's order is that of its PartitionSamples.
class BatchItems {
 public:
  static constexpr std::size_t kBytesPerSample = sizeof(std::uint32_t);

  /// Both are borrowed.
  BatchItems(const Dataset& data, const DataSplit& split, Partitioning partitioning);

  /// What the next batches are taken from: an epoch's training samples in their order, or samples
  /// in canonical order.
  enum class Samples : std::uint8_t { kTraining, kValidation };
  void TakeEpoch(std::uint64_t seed, std::uint64_t epoch);
  void Take(Samples samples);

  /// The candidates of batch `t` of `batches`.
  void Collect(std::uint64_t t, std::uint64_t batches, Candidates& candidates);

 private:
  const Dataset& data_;
  const DataSplit& split_;
  const Partitioning partitioning_;
  std::vector<std::uint32_t> items_;   // Partition after partition,
  std::vector<std::uint64_t> ends_;    // and where each ends.
  std::vector<std::uint32_t> counts_;  // By item; zeros between batches.
};

/// -log of each item's share of the training samples; one without any counts as if it had one.
std::vector<float> NegativeLogShares(const Dataset& data, const DataSplit& split);

}  // namespace cf
