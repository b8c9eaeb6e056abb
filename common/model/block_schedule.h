#pragma once

#include <cstdint>
#include <optional>

#include "common/base/ids.h"
#include "common/config/job.pb.h"

namespace cf {

/// The schedule BLOCKS (docs/arithmetic.md): users and items are cut into P partitions each, and an
/// epoch makes R rounds over all blocks of a user partition and an item partition. In sub-epoch j,
/// of R P, user partition p works on its samples with item partition (p + j) mod P: blocks of one
/// sub-epoch share no row.
///
/// Owner:   a value.
/// Threads: any; constant.
class BlockSchedule {
 public:
  /// Requires: `partitions` is a power of two; all are at least 1.
  constexpr BlockSchedule(std::uint32_t partitions, std::uint32_t rounds,
                          std::uint64_t steps_per_epoch)
      : mask_(partitions - 1), rounds_(rounds), steps_per_epoch_(steps_per_epoch) {}

  constexpr std::uint32_t partitions() const { return mask_ + 1; }
  constexpr std::uint32_t rounds() const { return rounds_; }
  constexpr std::uint64_t sub_epochs() const { return std::uint64_t{rounds_} * partitions(); }

  /// Which round sub-epoch `j` is part of.
  constexpr std::uint32_t RoundOf(std::uint64_t j) const {
    return static_cast<std::uint32_t>(j / partitions());
  }

  /// The item partition of user partition `p` in sub-epoch `j`.
  constexpr PartitionId ItemsOf(PartitionId p, std::uint64_t j) const {
    return PartitionId{(static_cast<std::uint32_t>(p) + static_cast<std::uint32_t>(j)) & mask_};
  }
  /// The inverse: the user partition that works on item partition `q`.
  constexpr PartitionId UsersOf(PartitionId q, std::uint64_t j) const {
    return PartitionId{(static_cast<std::uint32_t>(q) - static_cast<std::uint32_t>(j)) & mask_};
  }

  /// Steps of the epoch before sub-batch `k` of `count` in sub-epoch `j`: floor(T (j + k / count) /
  /// (R P)), where T is the number of global batches that the epoch's samples make.
  constexpr std::uint64_t StepAt(std::uint64_t j, std::uint64_t k, std::uint64_t count) const {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>(Wide{steps_per_epoch_} * (j * count + k) /
                                      (Wide{sub_epochs()} * count));
  }

 private:
  std::uint32_t mask_;
  std::uint32_t rounds_;
  std::uint64_t steps_per_epoch_;
};

/// The schedule of the job where it is BLOCKS; else nothing. Requires: a validated job with its
/// defaults filled in.
std::optional<BlockSchedule> BlocksOf(const Job& job, std::uint64_t steps_per_epoch);

}  // namespace cf
