#include "launch/snapshot_source.h"

#include <absl/strings/str_cat.h>

#include "serving/mapped_export.h"

namespace cf {

absl::Status CheckIsSnapshot(const std::string& path) {
  if (!MappedExport::IsAt(path)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": an export; what is asked for needs the snapshot that it was made of"));
}

absl::StatusOr<Snapshot> OpenSnapshot(const std::string& path) {
  if (absl::Status is = CheckIsSnapshot(path); !is.ok()) return is;
  return Snapshot::Open(path);
}

absl::StatusOr<Manifest> ManifestAt(const std::string& path) {
  if (MappedExport::IsAt(path)) {
    const absl::StatusOr<MappedExport> from = MappedExport::Open(path);
    if (!from.ok()) return from.status();
    return from->manifest();
  }
  const absl::StatusOr<Snapshot> snapshot = Snapshot::Open(path);
  if (!snapshot.ok()) return snapshot.status();
  return snapshot->manifest();
}

}  // namespace cf
