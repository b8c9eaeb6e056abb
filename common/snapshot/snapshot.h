#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/snapshot/manifest.h"

namespace cf {

/// Is called once for each row; an error ends the reading and is returned. The record holds for the
/// call only; it is laid out as PartitionWriter::Add takes it.
using RowVisitor = std::function<absl::Status(TableId, RowId, std::span<const float> record)>;

/// One snapshot, open for reading: base and deltas merged, the newest of a row wins.
///
/// Owner:   whoever opened it. Its files are opened and closed by each call.
/// Threads: any; calls do not disturb each other.
/// Bounds:  a call holds one read-ahead buffer (256 KiB) and one block for each file it reads from.
class Snapshot {
 public:
  /// `path` is a manifest, or RUN/snapshots/latest or .../best, which go by what the manifests say
  /// even where the links are missing. Errors are ReadManifest's; DataLoss: a row file is missing
  /// or has another size.
  static absl::StatusOr<Snapshot> Open(const std::string& path);

  const Manifest& manifest() const { return manifest_; }
  /// The run's snapshots folder.
  const std::string& folder() const { return folder_; }

  /// Every row of one partition, ascending by (table, id). DataLoss names a file that cannot be
  /// read, or a row that is missing, unexpected or of the wrong length. Requires: partition < P.
  absl::Status ReadPartition(PartitionId partition, const RowVisitor& visit) const;

  /// The same for those rows whose slots have a bit in `wanted`, by table; what stands between them is
  /// not looked at, but every file of the partition has its checksum. Requires: a bit for each slot.
  absl::Status ReadRows(PartitionId partition, std::span<const std::vector<std::uint64_t>> wanted,
                        const RowVisitor& visit) const;

  /// Every row of the snapshot, ascending by (table, id). Errors as above.
  absl::Status ReadAll(const RowVisitor& visit) const;

  /// XXH3-128 over (table, id, record) of all rows in order, as 32 hex digits: two snapshots with
  /// the same parameters and optimizer state have the same, however their files are cut.
  absl::StatusOr<std::string> Digest() const;

  /// Reads all files: each has the bytes that it was written with. DataLoss names the first that has
  /// not.
  absl::Status CheckFiles() const;

  /// Reads everything: each file's checksum and RocksDB's own, every row there exactly once and of
  /// the right length. DataLoss names what is wrong.
  absl::Status Verify() const;

 private:
  Snapshot(std::string folder, Manifest manifest);

  std::string folder_;
  Manifest manifest_;
};

/// The first table that has not the same name and shape in both, in words; nothing if all do.
std::optional<std::string> FirstDifferentTable(const Manifest& a, const Manifest& b);

/// Where two snapshots differ first, in one line ("table users, id 7, float 3 of 195: 0.25 and
/// 0.5"); nothing if all tables and rows are identical, bit for bit.
absl::StatusOr<std::optional<std::string>> FirstDifference(const Snapshot& a, const Snapshot& b);

}  // namespace cf
