#pragma once

#include <cstdint>
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

/// The rows that one compute thread hosts, as the worker on the same thread sees them: the seam
/// between the two. What a worker asks of other threads goes over Exchange.
///
/// Threads: Resolve from any thread of the process while no step is being applied; the others on
/// the hosting thread.
class RowHost {
 public:
  virtual ~RowHost() = default;

  /// Points rows[k] at the weights of ids[k]: the padded vector, then the bias. They hold until the
  /// next ApplyOwn or Serve. Requires: the rows are hosted here; rows.size() == ids.size().
  virtual void Resolve(TableId table, std::span<const RowId> ids,
                       std::span<const float*> rows) const = 0;

  /// Applies global step `step` to rows that nobody but this seat's worker touches in it, as soon
  /// as their gradients are whole. gradients[k] is the padded vector and the bias of ids[k].
  /// Requires: hosted here, each id once.
  virtual void ApplyOwn(TableId table, std::uint64_t step, std::span<const RowId> ids,
                        std::span<const float* const> gradients) = 0;

  /// Whether the pushes of the next turn are all there, so that Serve would not wait.
  virtual bool CanServe() = 0;

  /// The server's part of turn `turn`: waits for the other workers' pushes, applies global step
  /// `step` to every row that they and `own` (by table; empty without a worker here) bring
  /// gradients for, once a row, and sends the rows that they want. Where `apply` is false the
  /// pushes bring only wishes. The exchange's error if a peer is lost.
  virtual absl::Status Serve(std::uint64_t turn, bool apply, std::uint64_t step,
                             std::span<OwnPartials> own) = 0;
};

}  // namespace cf
