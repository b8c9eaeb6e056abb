#pragma once

#include <cstddef>
#include <cstdint>
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

/// The rows that one compute thread works on in the schedule BLOCKS: its own users', and the item
/// partitions that are here at the time: whole partitions, pinned while they are worked on. The seam
/// between worker and server, as RowHost is for SYNC. Sub-epochs are counted from the first epoch.
///
/// Threads: the seat's compute thread.
class BlockRows {
 public:
  virtual ~BlockRows() = default;

  /// User partition `p` comes soon. A hint.
  virtual void AnnounceUsers(PartitionId p) = 0;

  /// The rows of user partition `p`, which hold until ReleaseUsers; the store's error if they cannot
  /// be read. Requires: it is the seat's.
  virtual absl::StatusOr<SlabRows> Users(PartitionId p) = 0;
  virtual void ReleaseUsers(PartitionId p) = 0;

  /// The rows of item partition `q`, which this seat works on in `sub_epoch`: waits until the seat
  /// before it has passed them on. They hold until PassItems. The exchange's error if a peer is
  /// lost. Requires: where another user partition of this seat is before it, that has passed them.
  virtual absl::StatusOr<SlabRows> Items(PartitionId q, std::uint64_t sub_epoch) = 0;

  /// Whether all that `q` has to go through before `sub_epoch` is done and the rows are here, so
  /// that Items may be called and does not wait. The exchange's error if a peer is lost.
  virtual absl::StatusOr<bool> HasItems(PartitionId q, std::uint64_t sub_epoch) = 0;
  /// Waits until another item partition has come. The exchange's error if a peer is lost.
  virtual absl::Status AwaitItems() = 0;

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

  /// `sub_epoch` is done with item partition `q`: sends it to the seat that needs it next, unless
  /// that is this one.
  virtual void PassItems(PartitionId q, std::uint64_t sub_epoch) = 0;
};

}  // namespace cf
