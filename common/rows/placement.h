#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/partition.h"

namespace cf {

/// Which compute thread of which rank works through which partitions' samples, and which hosts
/// their rows. The threads that work are numbered as worker seats, those that serve as server
/// seats, both in the order of ranks and threads; seat s has a contiguous range of partitions. These
/// are as equal as they can be, over all seats or, where a rank's are given, over its own.
/// Without dedicated servers every thread has both roles and the same number in each.
///
/// Owner:   a value.
/// Threads: any; constant.
class Placement {
 public:
  struct Options {
    std::uint32_t partitions = 16;
    std::vector<std::uint32_t> threads;  ///< Compute threads of each rank.
    std::uint32_t servers = 0;           ///< So many of the last ranks only serve.
    /// By rank: the first of its partitions, which follow each other. Empty: over all seats.
    /// Without dedicated servers only.
    std::vector<std::uint32_t> firsts = {};
  };
  /// InvalidArgument, with the numbers and the cure: more seats of a role than partitions, or no
  /// rank left to work; without a cure: these are no first partitions.
  static absl::StatusOr<Placement> Make(const Options& options);

  struct Seat {
    int rank = 0;
    std::uint32_t thread = 0;
  };
  /// The seats of one role.
  class Role {
   public:
    /// Requires: the ranges, by seat, follow each other.
    Role(std::vector<Seat> seats, std::vector<SeatRange> ranges);

    std::uint32_t size() const { return static_cast<std::uint32_t>(seats_.size()); }
    const Seat& seat(std::uint32_t s) const { return seats_[s]; }
    SeatRange range(std::uint32_t s) const { return ranges_[s]; }
    /// The most partitions that a seat has.
    std::uint32_t largest() const;
    std::uint32_t SeatOf(PartitionId partition) const { return seat_of_[Index(partition)]; }
    /// The seats on `rank`, in the order of its threads; empty where it does not play this role.
    std::vector<std::uint32_t> OnRank(int rank) const;
    /// The partitions of all of them, which follow each other.
    SeatRange RangeOnRank(int rank) const;

   private:
    std::vector<Seat> seats_;
    std::vector<SeatRange> ranges_;
    std::vector<std::uint32_t> seat_of_;  // By partition.
  };

  const Role& workers() const { return workers_; }
  const Role& servers() const { return servers_; }
  Partitioning partitioning() const { return Partitioning(partitions_); }
  int ranks() const { return ranks_; }
  /// Whether the threads that work also serve, each the same partitions.
  bool combined() const { return combined_; }

 private:
  Placement(std::uint32_t partitions, int ranks, bool combined, Role workers, Role servers);

  std::uint32_t partitions_;
  int ranks_;
  bool combined_;
  Role workers_;
  Role servers_;
};

/// Placement::Options' `firsts` for ranks that have had the partitions `before`, ascending and without
/// those of ranks that are gone, and have so many `threads`. Of all that give no thread more than
/// `share` partitions, one that leaves the most where they were, and of these the evenest.
/// Requires: a range and a thread for each rank, no more threads than partitions, and a `share` of
/// at least FairShare.
std::vector<std::uint32_t> FirstsNear(std::span<const SeatRange> before,
                                      std::span<const std::uint32_t> threads,
                                      std::uint32_t partitions, std::uint32_t share);

/// The partitions of the thread that has the most where all threads have as equally many as can be.
/// Requires: a thread.
std::uint32_t FairShare(std::uint32_t threads, std::uint32_t partitions);

/// FirstsNear with what a thread may have until balance returns, so that the partitions of a rank that
/// is lost can go to its neighbours, which else push their own on to ranks far away: an eighth more than
/// its part, or a third where with an eighth ranks would load more than half as much again as nobody
/// has. Towards an end of the row there are ranks on one side only. Requires: as FirstsNear.
std::vector<std::uint32_t> FirstsAfterALoss(std::span<const SeatRange> before,
                                            std::span<const std::uint32_t> threads,
                                            std::uint32_t partitions);

}  // namespace cf
