#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "common/base/partition.h"

namespace cf {

/// The order in which the threads of a rank work through its user partitions (BLOCKS): one sequence
/// of visits, of which each thread takes the next. A visit is to one partition and goes on through
/// some sub-epochs, so that a partition comes into memory once for all of these.
///
/// Block (p, s) needs (p, s - 1) and (p + 1, s - 1). A sweep visits all L partitions of the rank,
/// descending: its k-th takes number i from the top (0 to L - 1) to sub-epoch (k - 1) L + i + 1 of the
/// segment. With R rounds and n ranks R n + 1 sweeps are an epoch, however many threads there
/// are: these are in visits that follow each other, each one block behind the one before.
///
/// No deadlock, where a visit waits for what its next block needs and threads take visits in order:
/// within a rank a visit waits for earlier ones only, or for the next rank's lowest partition at the
/// top of a sweep. Were all ranks r at the tops of sweeps k_r, each would wait for a next rank whose
/// lowest partition is not there yet: (k_next - 1) L_next < (k_r - 1) L_r, round the ring, which
/// cannot be. Partitions that are further than a sweep takes them are passed over, which only makes
/// less to wait for.
///
/// Owner:   Member, one for the compute threads of the rank.
/// Threads: Begin from one, while no other calls anything; the others from any compute thread.
/// Bounds:  a word for each partition of the rank.
/// Invariants: of the visits to one partition the next is taken when the last has ended.
class Wave {
 public:
  /// The partitions of the rank.
  explicit Wave(SeatRange range);

  /// Partition `p` from sub-epoch `first` to `last` - 1, both of the epoch.
  struct Visit {
    PartitionId partition{};
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };

  /// Begins with all visits that lead to sub-epoch `last`, where partitions have come as far as
  /// `next`, by partition of the rank: the sub-epoch that comes next for each. `origin` is the
  /// sub-epoch that sweeps are counted from. Requires: it is the same on all ranks, and no partition
  /// is before it.
  void Begin(std::uint64_t origin, std::uint64_t last, std::span<const std::uint64_t> next);

  /// The next visit; waits until the last one to the same partition has ended. Nothing where all have
  /// been taken, or one has ended early.
  std::optional<Visit> Take();
  /// The visit has ended, and `next` is the sub-epoch that comes next for its partition: before
  /// visit.last where it has ended early.
  void End(const Visit& visit, std::uint64_t next);

  /// The partitions of the next `count` visits, or fewer if there are no more.
  std::vector<PartitionId> Coming(std::uint32_t count);

  /// How far partitions have come, by partition of the rank. Requires: all visits have ended.
  std::span<const std::uint64_t> next() const { return next_; }

  SeatRange range() const { return range_; }

 private:
  // A place in the sequence.
  struct Cursor {
    std::uint64_t sweep = 1;
    std::uint32_t number = 0;  // From the top.
  };
  // Where sweep `sweep` leaves partition number `number` from the top.
  std::uint64_t EndOf(std::uint64_t sweep, std::uint32_t number) const;
  // The first visit from `cursor` on that has anything to do, and the place behind it.
  std::optional<Visit> Find(Cursor& cursor) const;

  const SeatRange range_;
  std::uint64_t origin_ = 0;
  std::uint64_t last_ = 0;
  std::vector<std::uint64_t> began_at_;  // By partition of the range.

  // Threads take visits from each other's hands.
  std::mutex mutex_;
  std::condition_variable ends_;     // Of visits.
  Cursor cursor_;                    // Guarded by mutex_, as are the next.
  std::vector<std::uint64_t> next_;  // By partition of the range; of visits that have ended.
  bool ended_early_ = false;
};

}  // namespace cf
