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
  static constexpr std::size_t kBytesPerUser = 2 * sizeof(std::uint64_t);
  static constexpr std::uint16_t kFar = 0xffff;  ///< So many batches, or more.

  /// By sample, in the order of `samples`, that of an epoch; holds until the next call. 0: in its
  /// own batch, further on. A user's last sample of the epoch has what is to be expected of the next
  /// one: users come as if at random. `of_batch(t)`: which samples batch t of `batches` has.
  std::span<const std::uint16_t> Find(std::span<const Sample> samples, Partitioning partitioning,
                                      std::uint64_t batches,
                                      absl::FunctionRef<SampleRange(std::uint64_t t)> of_batch);

 private:
  struct User {
    std::uint64_t count = 0;  // Of samples.
    std::uint64_t next = 0;   // The batch in which it comes again.
  };
  std::vector<User> users_;  // By slot.
  std::vector<std::uint16_t> next_uses_;
};

}  // namespace cf
