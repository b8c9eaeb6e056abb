#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/functional/function_ref.h>

#include "common/base/partition.h"
#include "worker/samples.h"

namespace cf {

/// In how many batches the user of each of a partition's samples comes again: who has little memory
/// for rows keeps those that are wanted soon.
///
/// Owner:   DiskSamples, for one partition after the other.
/// Threads: the seat's compute thread.
/// Bounds:  kBytesPerSample, and kBytesPerUser of the largest partition so far.
class NextUses {
 public:
  static constexpr std::size_t kBytesPerSample = sizeof(std::uint16_t);
  static constexpr std::size_t kBytesPerUser = sizeof(std::uint64_t);
  static constexpr std::uint16_t kFar = 0xffff;  ///< So many batches, or more.

  /// Which samples of an order batch `t` has.
  using OfBatch = absl::FunctionRef<SampleRange(std::uint64_t t)>;

  /// The partition's next epoch has its samples in this order, in so many batches.
  void LookAhead(std::span<const Sample> samples, Partitioning partitioning, std::uint64_t batches,
                 OfBatch of_batch);

  /// By sample, in the order of `samples`, that of an epoch of so many batches; holds until the next
  /// call. 0: in its own batch, further on. Requires: LookAhead had the same samples.
  std::span<const std::uint16_t> Find(std::span<const Sample> samples, Partitioning partitioning,
                                      std::uint64_t batches, OfBatch of_batch);

 private:
  std::vector<std::uint64_t> comes_;  // By slot: the batch in which the user comes next.
  std::vector<std::uint16_t> next_uses_;
};

}  // namespace cf
