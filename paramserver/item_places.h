#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/model/block_schedule.h"
#include "common/model/tables.h"
#include "common/rows/block_rows.h"
#include "common/rows/exchange.h"
#include "paramserver/row_store.h"

namespace cf {

/// Where a rank's item partitions are while a job trains with the schedule BLOCKS. They leave before
/// the first sub-epoch, go from user partition to user partition, and come home when anybody wants to
/// see the model (validation, snapshots): everything but training finds all rows in the stores.
///
/// Between user partitions of the rank an item partition stays where it is, and one thread tells the
/// next. What is sent to another rank leaves its place in the store to what comes from there, so that
/// items take their memory once; only where more of them wait here than are at home, some are
/// beside it.
///
/// Owner:   Member, one for all seats of the rank.
/// Threads: Leave and ComeHome from one, while no other calls anything; the others from any compute
///          thread of the rank. Only the threads that work on the first and the last user partition
///          send and take what comes.
/// Bounds:  beside the store's memory, the item partitions of other ranks for which no place at home
///          is free: those that the rank has not at home, where it is slow and all others wait for it.
/// Invariants: while items are away, each of their partitions is at exactly one rank, or on its way.
///          Where it is, it is due for one sub-epoch, and belongs to the thread that works on that.
class ItemPlaces {
 public:
  using Clock = BlockRows::Clock;
  struct Options {
    std::vector<std::uint32_t> seats;  ///< Ascending, one behind the other.
    RowStore* store = nullptr;         ///< Of the rank. Borrowed, as is the other.
    Exchange* exchange = nullptr;
    TableSpec items;
    BlockSchedule schedule;
  };
  explicit ItemPlaces(Options options);

  /// What an item partition of so many rows takes on its way.
  static std::size_t TransferBytes(const TableSpec& items, std::uint32_t rows);

  /// The partitions of all seats.
  SeatRange range() const { return range_; }

  /// Sends the item partitions that are at home here to where they are due, and waits for those that
  /// are due here; nothing where items are away already. `next`: by user partition of the job, the
  /// sub-epoch that comes next for it. Every rank calls it, with the same. The exchange's error if a
  /// peer is lost, the store's if rows cannot be read.
  absl::Status Leave(std::span<const std::uint64_t> next);

  /// Sends the item partitions that are here home, and takes back those that are at home here: the
  /// end of what Leave began, where `next` is how far training has come by now. Every rank calls it.
  /// Errors are Leave's.
  absl::Status ComeHome(std::span<const std::uint64_t> next);

  /// The rows of `q` once it is due for `sub_epoch`, in which a user partition of this rank works on
  /// it; nothing if it is not until `deadline`. The exchange's error if a peer is lost.
  absl::StatusOr<std::optional<float*>> Items(PartitionId q, std::uint64_t sub_epoch,
                                              Clock::time_point deadline);
  /// `sub_epoch` is done with `q`. The exchange's error if a peer is lost.
  absl::Status PassItems(PartitionId q, std::uint64_t sub_epoch);

  /// For whoever works on `q`: which of its rows have changed since it left home, a bit for each slot.
  std::span<std::uint64_t> ChangedBits(PartitionId q) { return places_[Index(q)].changed; }

 private:
  static constexpr std::uint64_t kNotHere = ~std::uint64_t{0};
  static constexpr std::uint32_t kNoSlab = ~std::uint32_t{0};

  // What is known of an item partition. All but `due` is written by whoever has it.
  struct Place {
    std::atomic<std::uint64_t> due{kNotHere};  // The sub-epoch that comes next for it.
    float* rows = nullptr;                     // Of one of the next two.
    std::uint32_t slab = kNoSlab;              // The partition of the range whose slab it is in,
    Parcel parcel;                             // or in which it lies as it came.
    std::vector<std::uint64_t> changed;        // By slot, a bit each.
    std::uint64_t left_for = 0;                // The sub-epoch for which it left home.
  };
  struct Way {
    std::uint32_t from_seat = 0;
    std::uint32_t to_seat = 0;
  };

  bool IsOurs(PartitionId partition) const { return range_.Contains(partition); }
  bool IsHere(PartitionId q) const {
    return places_[Index(q)].due.load(std::memory_order_acquire) != kNotHere;
  }
  PartitionId UserOf(PartitionId q, std::uint64_t sub_epoch) const {
    return options_.schedule.UsersOf(q, sub_epoch);
  }
  std::uint32_t SeatOf(PartitionId p) const { return placement_.workers().SeatOf(p); }
  // How it comes to the seat that works on it in `sub_epoch`.
  Way WayFor(PartitionId q, std::uint64_t sub_epoch) const;
  // The sub-epoch that `q` is due for where user partitions have come as far as `next`.
  std::uint64_t DueOf(PartitionId q, std::span<const std::uint64_t> next) const;
  std::uint32_t RowsIn(PartitionId q) const;
  std::size_t FloatsOf(PartitionId q) const { return RowsIn(q) * stride_; }
  std::size_t BytesOf(PartitionId q) const;

  // A free slab for `q`, its own if that is one.
  std::optional<std::uint32_t> TakeSlab(PartitionId q);
  void FreeSlab(std::uint32_t slab);
  bool HasFreeSlab();
  void Send(PartitionId q, const Way& way, std::uint64_t sub_epoch);
  // Whether an item partition is to come that way: to be worked on in `sub_epoch`, or home.
  bool IsExpected(PartitionId q, std::uint64_t sub_epoch, const Way& way) const;
  // Puts what has come into a place.
  absl::Status Accept(Parcel parcel);
  // The same for all that have come, or as long as slabs are free. Whether there were any.
  enum class Take : std::uint8_t { kAll, kIntoSlabs };
  absl::StatusOr<bool> TakeWhatCame(Take take);
  // Waits until `q` is here.
  absl::Status Await(PartitionId q, const Way& way);
  // Waits until `q`, which comes from another rank, is due for `sub_epoch`, or until `deadline`.
  absl::Status AwaitFromOutside(PartitionId q, std::uint64_t sub_epoch, Clock::time_point deadline);
  absl::Status AwaitInside(PartitionId q, std::uint64_t sub_epoch, Clock::time_point deadline);
  // Into its own slab, where nothing but item partitions that are at home is here.
  void PutHome(PartitionId q);
  void ReportChanges(PartitionId q);

  const Options options_;
  const Placement& placement_;
  const SeatRange range_;
  const std::size_t stride_;   // Floats of an item's row.
  std::vector<float*> slabs_;  // By partition of the range; pinned while items are away.
  std::vector<Place> places_;  // By item partition.
  bool are_away_ = false;

  // The first and the last user partition of the rank may have a thread each.
  std::mutex arrivals_mutex_;  // Held by whoever takes what comes.
  std::mutex slabs_mutex_;
  std::vector<std::uint32_t> free_slabs_;  // Guarded by slabs_mutex_.
  std::vector<std::uint32_t> slots_;       // Scratch.
};

}  // namespace cf
