#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/rows/tree_sum.h"

namespace cf {

/// Gradients of one table that a worker hands to the server of its own seat: for each row the parts
/// that it could not add up further. `parts` of a row are adjacent and ascending.
struct OwnPartials {
  std::vector<RowId> ids;       ///< One for each part.
  std::vector<TreePart> parts;  ///< Their floats may be overwritten.

  void Clear() {
    ids.clear();
    parts.clear();
  }
};

/// A server's part of one turn of the exchange, and what the worker on the same thread brings to
/// it: what others push with parcels. Both spans are by table, and empty where there is no worker,
/// no gradient or no wish.
struct ServedTurn {
  /// What the rows are for that the turn brings. Rows may be stored otherwise than they are read
  /// (dense Adam); those of a step are brought up to date where they are.
  enum class Use : std::uint8_t {
    kReading,  ///< Validation, or a batch of a later step than the next.
    kStep,     ///< All of them get gradients in the next step that is applied.
    /// As kStep, and the worker has its own users brought up to date when it comes to them.
    kStepButOwnUsers,
  };

  std::uint64_t turn = 0;
  /// The global step that the gradients of this turn end; nothing where it brings only wishes.
  std::optional<std::uint64_t> step = std::nullopt;
  Use use = Use::kReading;
  std::span<OwnPartials> partials = {};
  std::span<const std::span<const RowId>> wanted = {};
};

/// The rows that one compute thread hosts, as workers of the process see them: the seam between
/// worker and server. Who wants rows says so with a turn (its own thread with ServedTurn, others
/// with a push); when the turn is served they are pinned, and RowsFor tells where they are. They
/// stay pinned until the server serves the turn in which that worker's next push arrives, which is
/// the one that ends the step: nobody counts, and nobody releases by hand. A row may move or leave
/// memory at any other time.
///
/// Owner:   Member, one for each thread that serves; a RowClient borrows those of its process.
/// Threads: RowsFor on the worker's thread, between the answer to its push and its next push; the
///          others on the hosting thread.
/// Bounds:  what pushes of one turn want (with a delay, of that many turns more).
class RowHost {
 public:
  virtual ~RowHost() = default;

  /// The worker of the same thread will want these rows in some turns, so that reading them can begin.
  virtual void Announce(TableId table, std::span<const RowId> ids) = 0;

  /// Of the batch that was announced last: the worker of the same thread will want the row of ids[k]
  /// again so many batches[k] after it, 0xffff or more, and of an id that is there twice what comes
  /// last counts. 0: that is not known.
  virtual void Foresee(TableId table, std::span<const RowId> ids,
                       std::span<const std::uint16_t> batches) = 0;

  /// Whether the pushes of the next turn are all there, so that Serve would not wait.
  virtual bool CanServe() = 0;

  /// Waits for the other workers' pushes, applies the step to every row that they and the own
  /// worker bring gradients for, once a row, releases what was pinned for them, and pins or sends
  /// the rows that they want. The exchange's error if a peer is lost, the store's if rows cannot be
  /// read; DataLoss: a peer broke the protocol. Requires: pushes are of tables and rows in order.
  virtual absl::Status Serve(const ServedTurn& turn) = 0;

  /// The rows that were pinned for a worker of this process in the last turn, in the order in which
  /// it wanted them: the weights of each, the padded vector and then the bias.
  virtual std::span<const float* const> RowsFor(std::uint32_t worker_seat, TableId table) const = 0;

  /// Whether rows are stored otherwise than they are read.
  virtual bool moves_rows() const = 0;

  /// Brings rows up to date for global step `step`, as Use::kStepButOwnUsers left to the worker.
  /// Requires: pinned for it by the last turn.
  virtual absl::Status CatchUpOwn(TableId table, std::uint64_t step,
                                  std::span<const RowId> ids) = 0;

  /// Applies global step `step` to rows that nobody but this seat's worker touches in it, as soon
  /// as their gradients are whole. gradients[k] is the padded vector and the bias of ids[k].
  /// Requires: hosted here, each id once.
  virtual absl::Status ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                                std::span<const float* const> gradients) = 0;
};

}  // namespace cf
