#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/math/random.h"

namespace cf {

struct Sample {
  RowId user{};
  RowId item{};
  float rating = 0;
};

/// The part of `n` samples that belongs to batch `t` of `batches`: from floor(n t / T) to floor(n
/// (t + 1) / T).
struct SampleRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
constexpr SampleRange SamplesOfBatch(std::uint64_t n, std::uint64_t t, std::uint64_t batches) {
  __extension__ using Wide = unsigned __int128;
  return {static_cast<std::uint64_t>(Wide{n} * t / batches),
          static_cast<std::uint64_t>(Wide{n} * (t + 1) / batches)};
}

/// The samples of one partition, that is of its users, and the order in which an epoch visits them.
///
/// Owner:      Trainer, one for each partition of its seat.
/// Threads:    the seat's compute thread.
/// Bounds:     kBytesPerTrainingSample, with groups kBytesPerGroupedSample more; kBytesPerSample
///             before the first Shuffle and for each validation sample; 8 a user.
/// Invariants: both lists are in canonical order (user, item); the order of an epoch is a function
///             of (seed, epoch, partition, samples in a group).
class PartitionSamples {
 public:
  static constexpr std::size_t kBytesPerSample = sizeof(Sample);
  /// With the order of an epoch.
  static constexpr std::size_t kBytesPerTrainingSample = 2 * kBytesPerSample;
  static constexpr std::size_t kBytesPerGroupedSample = sizeof(std::uint32_t);

  PartitionSamples(const Dataset& data, const DataSplit& split, Partitioning partitioning,
                   PartitionId partition);

  /// Sets the order of `epoch`, counted from 0, in which up to `user_group` samples of one user stay
  /// side by side (docs/arithmetic.md, Groups). Requires: user_group > 0.
  void Shuffle(std::uint64_t seed, std::uint64_t epoch, std::uint32_t user_group);

  /// The training samples in the order of the epoch; none before the first Shuffle.
  std::span<const Sample> shuffled() const { return shuffled_; }
  /// Which of these batch `t` of `batches` has: whole groups.
  SampleRange OfBatch(std::uint64_t t, std::uint64_t batches) const;

  std::span<const Sample> training() const { return training_; }
  /// The training samples of the user in that slot of the partition, by item.
  std::span<const Sample> TrainingOf(std::uint32_t slot) const {
    const std::uint64_t first = slot == 0 ? 0 : training_ends_[slot - 1];
    return std::span(training_).subspan(first, training_ends_[slot] - first);
  }
  std::span<const Sample> validation() const { return validation_; }

 private:
  // Puts `order`, of training samples, into groups, which are shuffled by `random`.
  void Group(std::span<std::uint32_t> order, const CounterRandom& random, std::uint32_t user_group);

  PartitionId partition_;
  Partitioning partitioning_;
  std::vector<Sample> training_;
  std::vector<std::uint64_t> training_ends_;  // By slot: where the user's end.
  std::vector<Sample> validation_;
  // A copy, because a partition's samples fit the last cache while they are shuffled, and those of
  // all partitions, which each batch takes some of, do not: batches read them in sequence.
  std::vector<Sample> shuffled_;
  // By group of the epoch: where its samples in shuffled_ end. None where a sample is its own group.
  std::vector<std::uint32_t> group_ends_;
};

}  // namespace cf
