#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/kernels/kernels.h"
#include "common/model/block_schedule.h"
#include "common/rows/block_rows.h"
#include "common/rows/exchange.h"
#include "paramserver/optimizer.h"
#include "paramserver/shard.h"

namespace cf {

/// The rows of one seat while a job trains with the schedule BLOCKS. Users' rows stay in the seat's
/// shard. Item partitions leave their shards before the first sub-epoch, go from seat to seat as
/// blocks, which are worked on where they arrived, and come home when anybody wants to see the
/// model (validation, snapshots): everything but training finds all rows in the shards.
///
/// Owner:   the seat's process, one for each compute thread.
/// Threads: the seat's compute thread.
/// Bounds:  beside the shard's memory, the item partitions that the seat works on and those that
///          wait for it: no more than there are seats, as the seat above can go on no further than
///          the items that it gets.
/// Invariants: while items are away from home, exactly one seat has each of their partitions, or it
/// is on its way.
class BlockHost : public BlockRows {
 public:
  struct Options {
    std::uint32_t seat = 0;
    Shard* shard = nullptr;  ///< Of the same seat. Borrowed, as are the others.
    Exchange* exchange = nullptr;
    const OptimizerRule* optimizer = nullptr;
    const KernelSet* kernels = nullptr;
    std::vector<TableSpec> tables;  ///< Users and items.
    BlockSchedule schedule;
  };
  explicit BlockHost(Options options);

  /// The rows of one item partition on their way.
  static std::size_t BlockBytes(const TableSpec& items, Partitioning partitioning, PartitionId q);

  /// Sends the shard's item partitions to the seats that work on them in `turn`, unless items are
  /// away already. Every seat calls it, with the turn that is next.
  void Leave(std::uint64_t turn);

  /// Sends the item partitions that are here home, and takes back those of the shard: the end of
  /// what Leave began. Every seat calls it. The exchange's error if a peer is lost.
  absl::Status ComeHome();

  SlabRows Users(PartitionId p) const override;
  absl::StatusOr<SlabRows> Items(PartitionId q, std::uint64_t turn) override;
  void ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) override;
  void ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) override;
  void PassItems(PartitionId q, std::uint64_t turn) override;

 private:
  std::uint32_t HomeOf(PartitionId q) const;
  std::uint32_t HolderOf(PartitionId q, std::uint64_t turn) const;
  std::size_t BytesOf(PartitionId q) const;
  std::span<float> RowsOf(PartitionId q);
  // A block for the rows of `q` that goes nowhere.
  Parcel MakeRoom(PartitionId q);
  void Drop(PartitionId q);
  void Send(PartitionId q, std::uint32_t seat, std::uint64_t turn);
  absl::Status Receive(PartitionId q, std::uint32_t seat, std::uint64_t turn);

  const Options options_;
  const Placement& placement_;
  const RowLayout layout_;                    // Of items.
  std::vector<std::optional<Parcel>> items_;  // By item partition; nothing where it is not here.
  std::optional<std::uint64_t> turn_;         // The next one while items are away; nothing at home.
  std::uint64_t left_ = 0;                    // The turn of the last Leave.
  std::vector<RowUpdate> updates_;            // Scratch.
};

}  // namespace cf
