#pragma once

#include <cstdint>
#include <vector>

#include <absl/status/statusor.h>

#include "common/base/partition.h"

namespace cf {

/// Which compute thread of which rank works through which partitions' samples, and which hosts
/// their rows. The threads that work are numbered as worker seats, those that serve as server
/// seats, both in the order of ranks and threads; seat s has a contiguous range of partitions.
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
  };
  /// InvalidArgument, with the numbers and the cure: more seats of a role than partitions, or no
  /// rank left to work.
  static absl::StatusOr<Placement> Make(const Options& options);

  struct Seat {
    int rank = 0;
    std::uint32_t thread = 0;
  };
  /// The seats of one role.
  class Role {
   public:
    Role(std::vector<Seat> seats, std::uint32_t partitions);

    std::uint32_t size() const { return static_cast<std::uint32_t>(seats_.size()); }
    const Seat& seat(std::uint32_t s) const { return seats_[s]; }
    SeatRange range(std::uint32_t s) const { return RangeOfSeat(s, size(), partitions_); }
    std::uint32_t SeatOf(PartitionId partition) const { return seat_of_[Index(partition)]; }
    /// The seats on `rank`, in the order of its threads; empty where it does not play this role.
    std::vector<std::uint32_t> OnRank(int rank) const;

   private:
    std::vector<Seat> seats_;
    std::uint32_t partitions_;
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

}  // namespace cf
