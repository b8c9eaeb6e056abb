#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/snapshot/manifest.pb.h"

namespace cf {

inline constexpr std::uint32_t kManifestFormat = 1;

/// What is read before a manifest is refused. 2^14 partitions with a base and 32 deltas each are
/// 2^19 entries of some 220 bytes.
inline constexpr std::size_t kManifestBytesMax = std::size_t{128} << 20;

/// When a snapshot was taken; ordered as snapshots are, the newest last: a later generation has
/// seen all that an earlier one committed.
struct SnapshotTime {
  std::uint64_t generation = 0;
  std::uint64_t step = 0;  ///< Global steps applied.

  auto operator<=>(const SnapshotTime&) const = default;
};

SnapshotTime TimeOf(const Manifest& manifest);

/// The manifest's file name and the snapshot's name: "g000003-s000000001418.manifest".
std::string SnapshotName(const SnapshotTime& time);

/// Which row file: unique within a run, because a generation is claimed by one group of ranks only,
/// and a snapshot that is tried again at the same step is another attempt.
struct RowFileId {
  SnapshotTime time;
  PartitionId partition{};
  FileKind kind = BASE;
  std::uint32_t attempt = 0;  ///< Of the snapshot at this step; 0 is the first.
};

/// The row file's name below rows/: "g000003-s000000001418-p00007-base.sst", or of the second attempt
/// "g000003-s000000001418-p00007-base-1.sst".
std::string RowFileName(const RowFileId& id);

/// The folder of the row files within a run's snapshots folder, and a row file's place in it.
std::string RowsFolder(const std::string& folder);
std::string RowFilePath(const std::string& folder, const std::string& file);

/// Whether some of the samples of an epoch are trained and some are not.
inline bool InMidEpoch(const Position& position) {
  return position.step_in_epoch() > 0 || position.sub_epoch() > 0 ||
         position.partition_sub_epochs_size() > 0;
}

/// The time in front of any name that this library gives to a file, temporary names included;
/// nothing for other names.
std::optional<SnapshotTime> TimeOfName(std::string_view name);

/// Floats of a row: for the weights, then for each optimizer moment, the vector and the bias; then
/// the row's last step, where rows know it.
std::size_t RecordFloats(const SnapshotTable& table);

/// What the plateau schedule multiplies the learning rate by in each epoch up to the current one, as
/// OptimizerRule takes it; empty without one.
std::vector<double> PlateauFactorsOf(const Manifest& manifest);

/// FailedPrecondition names the first thing that no snapshot may have (a name that does not match,
/// an entry out of order, a missing base, ...).
absl::Status ValidateManifest(const Manifest& manifest);

/// The file's contents: textproto, then a comment line with the checksum of all before it.
std::string FormatManifest(const Manifest& manifest);

/// Reads what FormatManifest wrote. InvalidArgument: not a manifest, or of another format version;
/// DataLoss: the checksum does not match; FailedPrecondition: see ValidateManifest. Never stops the
/// process, whatever the bytes.
absl::StatusOr<Manifest> ParseManifest(std::string_view contents);

/// ParseManifest of a file; errors begin with its path. The row files are not looked at.
absl::StatusOr<Manifest> ReadManifest(const std::string& path);

/// Whether the last line is the checksum of all before it: if not, these are not the bytes that any
/// program wrote.
bool HasSoundChecksum(std::string_view contents);

/// Whether an error says that a file of a snapshot is missing or is not as it was written, so that
/// another snapshot may do where no other try will. What else keeps a file from being read (rights,
/// descriptors, memory) is no damage.
bool IsSnapshotDamage(const absl::Status& error);
/// The same error as one that says so.
absl::Status AsSnapshotDamage(absl::Status error);
/// The same for what the system answers to whoever reads such a file: a file that is missing is
/// damage, and so is one that its disk cannot read; other errors stay what they are.
absl::Status SnapshotReadError(const absl::Status& error);

/// DataLoss, which is damage, names the first of the manifest's row files that is missing or has another size.
absl::Status CheckRowFiles(const std::string& folder, const Manifest& manifest);

}  // namespace cf
