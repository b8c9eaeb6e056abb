#pragma once

#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "common/snapshot/snapshot_store.h"

namespace cf {

/// A snapshot that a run does not go on from, as it is not whole.
struct PassedOver {
  std::string name;
  std::string why;  ///< One line, with the file.
};

/// The snapshot that a run goes on from: the newest that is whole. What can be told without reading
/// rows is told here; that of the rows by whoever loads them, who adds to `passed_over` and asks again.
struct ResumeChoice {
  std::optional<Manifest> manifest;     ///< Nothing where the run has no snapshot yet.
  std::vector<PassedOver> passed_over;  ///< Newer ones, the newest first.
};

/// Chooses among the snapshots of a run, but not those that are `known` not to be whole. DataLoss
/// names all where none is whole: a run does not begin anew over what it has. Errors of the store, and
/// of a manifest or a file that may be sound though it cannot be read.
absl::StatusOr<ResumeChoice> ChooseSnapshot(const SnapshotStore& store,
                                            std::vector<PassedOver> known);

/// What a person should know of the choice, a line each: who was passed over, and where the best
/// snapshot so far is lost.
std::vector<std::string> NoticesOf(const SnapshotStore& store, const ResumeChoice& choice);

}  // namespace cf
