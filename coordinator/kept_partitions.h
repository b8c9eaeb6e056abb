#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "common/snapshot/manifest.h"
#include "paramserver/slab_store.h"
#include "worker/samples.h"

namespace cf {

/// By which snapshots of the run a partition's rows can be told apart: those that its store knows the
/// changes since. Where a step has several snapshots, tried again and again, their rows are the same.
struct RowHistory {
  std::optional<SnapshotTime> written =
      {};  ///< In files, whether or not anybody has committed them.
  std::optional<SnapshotTime> committed =
      {};                                   ///< The last that this process knows to be committed,
  std::optional<SnapshotTime> before = {};  ///< and the one before that.

  /// The state that the rows of `snapshot` are; nothing where it is none of these.
  std::optional<Filed> StateOf(const SnapshotTime& snapshot) const {
    if (written == snapshot) return Filed::kWritten;
    if (committed == snapshot) return Filed::kCommitted;
    if (before == snapshot) return Filed::kCommittedBefore;
    return std::nullopt;
  }

  /// The rows are in `state` again.
  void Restore(Filed state) {
    if (state == Filed::kWritten) Commit();
    if (state == Filed::kCommittedBefore) *this = {.committed = before};
    written.reset();
  }

  void Commit() { *this = {.committed = written, .before = committed}; }
};

/// What a rank has of its partitions, as one generation leaves it to the next.
struct KeptPartitions {
  std::unique_ptr<SlabStore> store = {};   ///< Of rows as they were last; null: none are kept.
  std::vector<RowHistory> histories = {};  ///< By partition of the job, of the rows.
  KeptSamples samples = {};                ///< Empty: none are kept.
};

}  // namespace cf
