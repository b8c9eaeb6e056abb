#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/kernels/kernels.h"
#include "common/model/block_schedule.h"
#include "common/model/row_optimizer.h"
#include "common/rows/block_rows.h"
#include "common/rows/exchange.h"
#include "paramserver/refusal_log.h"
#include "paramserver/row_store.h"

namespace cf {

/// The rows of one seat while a job trains with the schedule BLOCKS. Users' rows stay in the rank's
/// store. Item partitions leave their stores before the first sub-epoch, go from seat to seat as
/// blocks, which are worked on where they arrived, and come home when anybody wants to see the
/// model (validation, snapshots): everything but training finds all rows in the stores.
///
/// Owner:   the seat's process, one for each compute thread.
/// Threads: the seat's compute thread.
/// Bounds:  beside the store's memory, the item partitions that the seat works on and those that
///          wait for it: all of them, where the seat is slow and the others are not.
/// Invariants: while items are away from home, exactly one seat has each of their partitions, or it
///          is on its way: an item partition has one place at a seat, and whatever comes is put into
///          its own, in whichever order it comes.
class BlockHost : public BlockRows {
 public:
  struct Options {
    std::uint32_t seat = 0;
    RowStore* store = nullptr;  ///< Of the rank. Borrowed, as are the others.
    Exchange* exchange = nullptr;
    const OptimizerRule* optimizer = nullptr;
    const KernelSet* kernels = nullptr;
    std::vector<TableSpec> tables;  ///< Users and items.
    BlockSchedule schedule;
  };
  explicit BlockHost(Options options);

  /// The rows of one item partition on their way.
  static std::size_t BlockBytes(const TableSpec& items, Partitioning partitioning, PartitionId q);

  /// Sends the seat's item partitions to the seats that work on them in `sub_epoch`, unless items
  /// are away already. Every seat calls it, with the next sub-epoch. The store's error if they cannot
  /// be read.
  absl::Status Leave(std::uint64_t sub_epoch);

  /// Sends the item partitions that are here home, and takes back the seat's own: the end of what
  /// Leave began. Every seat calls it. The exchange's error if a peer is lost, the store's if rows
  /// cannot be read.
  absl::Status ComeHome();

  /// What it has refused to apply.
  RefusalLog& refusals() { return refusals_; }

  void AnnounceUsers(PartitionId p) override;
  absl::StatusOr<SlabRows> Users(PartitionId p) override;
  void ReleaseUsers(PartitionId p) override;
  absl::StatusOr<SlabRows> Items(PartitionId q, std::uint64_t sub_epoch) override;
  absl::StatusOr<bool> HasItems(PartitionId q, std::uint64_t sub_epoch) override;
  absl::Status AwaitItems() override;
  void CatchUpUsers(PartitionId p, std::uint64_t step,
                    std::span<const std::uint32_t> slots) override;
  void CatchUpItems(PartitionId q, std::uint64_t step,
                    std::span<const std::uint32_t> slots) override;
  void ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) override;
  void ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) override;
  void PassItems(PartitionId q, std::uint64_t sub_epoch) override;

 private:
  // An item partition that is here.
  struct Block {
    Parcel rows;
    std::uint64_t due = 0;  // The sub-epoch that comes next for it.
  };

  absl::Status CopyOut(PartitionId q, std::uint64_t sub_epoch);
  absl::Status CopyIn(PartitionId q);
  void CatchUp(TableId table, std::uint64_t step, float* rows,
               std::span<const std::uint32_t> slots);
  void Apply(TableId table, PartitionId partition, std::uint64_t step, float* rows,
             const SlotGradients& gradients);
  std::uint32_t HomeOf(PartitionId q) const;
  std::uint32_t HolderOf(PartitionId q, std::uint64_t sub_epoch) const;
  std::size_t BytesOf(PartitionId q) const;
  std::span<float> RowsOf(PartitionId q);
  // A block for the rows of `q` that goes nowhere.
  Parcel MakeRoom(PartitionId q);
  void Drop(PartitionId q);
  void Send(PartitionId q, std::uint32_t seat, std::uint64_t sub_epoch);
  // Whether a block is to come from `seat`: to be worked on in `sub_epoch`, or home.
  bool IsExpected(PartitionId q, std::uint64_t sub_epoch, std::uint32_t seat) const;
  // Puts what has come into its place.
  absl::Status Accept(Parcel parcel);
  // Waits until `q` is here, which `seat` is to send.
  absl::Status Await(PartitionId q, std::uint32_t seat);

  const Options options_;
  const Placement& placement_;
  const SeatRange range_;                 // Of the seat's partitions.
  const std::vector<RowLayout> layouts_;  // Of users and items.
  RowOptimizer optimizer_;
  RefusalLog refusals_;
  std::vector<float*> users_;                    // By partition of the range; null: not pinned.
  std::vector<std::optional<Block>> items_;      // By item partition; nothing where it is not here.
  std::optional<std::uint64_t> next_sub_epoch_;  // While items are away; nothing at home.
  std::uint64_t left_in_ = 0;                    // The sub-epoch of the last Leave.

  // Scratch.
  std::vector<RowUpdate> updates_;
  std::vector<float*> behind_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace cf
