#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/kernels/kernels.h"
#include "common/model/row_optimizer.h"
#include "common/rows/block_rows.h"
#include "paramserver/item_places.h"
#include "paramserver/refusal_log.h"
#include "paramserver/row_store.h"

namespace cf {

/// The rows that one compute thread works on while a job trains with the schedule BLOCKS. Users' rows
/// are in the rank's store, item partitions have their places (ItemPlaces), and this class applies
/// steps to both.
///
/// Owner:   Member, one for each compute thread.
/// Threads: the compute thread.
/// Bounds:  those of ItemPlaces.
class BlockHost : public BlockRows {
 public:
  struct Options {
    RowStore* store = nullptr;  ///< Of the rank. Borrowed, as are the others.
    ItemPlaces* places = nullptr;
    const OptimizerRule* optimizer = nullptr;
    const KernelSet* kernels = nullptr;
    std::vector<TableSpec> tables;  ///< Users and items.
    Partitioning partitioning{1};
  };
  explicit BlockHost(Options options);

  /// What it has refused to apply.
  RefusalLog& refusals() { return refusals_; }

  void AnnounceUsers(PartitionId p) override;
  absl::StatusOr<SlabRows> Users(PartitionId p) override;
  void ReleaseUsers(PartitionId p) override;
  absl::StatusOr<std::optional<SlabRows>> Items(PartitionId q, std::uint64_t sub_epoch,
                                                Clock::time_point deadline) override;
  void CatchUpUsers(PartitionId p, std::uint64_t step,
                    std::span<const std::uint32_t> slots) override;
  void CatchUpItems(PartitionId q, std::uint64_t step,
                    std::span<const std::uint32_t> slots) override;
  void ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) override;
  void ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) override;
  absl::Status PassItems(PartitionId q, std::uint64_t sub_epoch) override;

 private:
  void CatchUp(TableId table, std::uint64_t step, float* rows,
               std::span<const std::uint32_t> slots);
  void Apply(TableId table, PartitionId partition, std::uint64_t step, float* rows,
             const SlotGradients& gradients);

  const Options options_;
  const std::vector<RowLayout> layouts_;  // Of users and items.
  RowOptimizer optimizer_;
  RefusalLog refusals_;
  float* users_ = nullptr;                    // Of the partition that is pinned.
  float* items_ = nullptr;                    // Of the item partition that is worked on,
  std::span<std::uint64_t> changed_items_{};  // and which of them have changed.

  // Scratch.
  std::vector<RowUpdate> updates_;
  std::vector<float*> behind_;
};

}  // namespace cf
