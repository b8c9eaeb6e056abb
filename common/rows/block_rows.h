#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/kernels/kernels.h"

namespace cf {

/// The rows of one partition of a table, by slot: the weights of slot s start at `rows + s *
/// stride`, the padded vector and then the bias.
struct SlabRows {
  const float* rows = nullptr;
  std::size_t stride = 0;
};

/// Gradients of rows of one partition: the row in `slots[k]`, each once, has gradients[k].
struct SlotGradients {
  std::span<const std::uint32_t> slots;
  std::span<const RowGradient> gradients;
};

/// The rows that one compute thread works on in the schedule BLOCKS: one partition of the rank's
/// users at a time, and the item partitions that these meet: whole partitions, pinned while they are
/// worked on. The seam between worker and server, as RowHost is for SYNC. Sub-epochs are counted
/// from the first epoch.
///
/// Threads: one compute thread.
class BlockRows {
 public:
  using Clock = std::chrono::steady_clock;

  virtual ~BlockRows() = default;

  /// User partition `p` comes soon. A hint.
  virtual void AnnounceUsers(PartitionId p) = 0;

  /// The rows of user partition `p`, which hold until ReleaseUsers; the store's error if they cannot
  /// be read. Requires: it is the rank's, and no other thread has it.
  virtual absl::StatusOr<SlabRows> Users(PartitionId p) = 0;
  virtual void ReleaseUsers(PartitionId p) = 0;

  /// The rows of item partition `q`, which the pinned users meet in `sub_epoch`: waits until those
  /// that met it before have passed it on, or until `deadline`, and then there is nothing. They hold
  /// until PassItems. The exchange's error if a peer is lost.
  virtual absl::StatusOr<std::optional<SlabRows>> Items(PartitionId q, std::uint64_t sub_epoch,
                                                        Clock::time_point deadline) = 0;

  /// Bring rows that are to have a gradient in global step `step`, and whose weights are read for it,
  /// to where they are before it.
  virtual void CatchUpUsers(PartitionId p, std::uint64_t step,
                            std::span<const std::uint32_t> slots) = 0;
  virtual void CatchUpItems(PartitionId q, std::uint64_t step,
                            std::span<const std::uint32_t> slots) = 0;

  /// Apply global step `step` to the rows that have gradients, which may point into each other's
  /// rows: a sub-batch's users come before its items.
  virtual void ApplyUsers(PartitionId p, std::uint64_t step, const SlotGradients& gradients) = 0;
  virtual void ApplyItems(PartitionId q, std::uint64_t step, const SlotGradients& gradients) = 0;

  /// `sub_epoch` is done with item partition `q`, which goes to whoever needs it next.
  /// The exchange's error if a peer is lost.
  virtual absl::Status PassItems(PartitionId q, std::uint64_t sub_epoch) = 0;
};

}  // namespace cf
