#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/snapshot.h"

namespace cf {

/// InvalidArgument, in one line, where `path` is an export, which lacks what a verb needs of a
/// snapshot: the optimizer's state, and samples with their times.
absl::Status CheckIsSnapshot(const std::string& path);

/// A snapshot that is needed itself. Errors are CheckIsSnapshot's and Snapshot's.
absl::StatusOr<Snapshot> OpenSnapshot(const std::string& path);

/// What a snapshot says of itself, or an export of its snapshot. Errors are Snapshot's or
/// MappedExport's.
absl::StatusOr<Manifest> ManifestAt(const std::string& path);

}  // namespace cf
