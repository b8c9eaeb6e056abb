#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "paramserver/scratch_folder.h"

namespace cf {

/// Slabs of rows on disk, by number: each is a file of RocksDB, written and read from one end to the
/// other. Its values are pieces of neighbouring rows, with checksums that reading verifies. Nothing
/// is synced: durability is the snapshots'.
///
/// A slab is always written whole, so a database of all of them would write it twice or more, as it
/// is flushed and compacted, and keep old ones beside the new (docs/results.md, beyond memory); a
/// file for each slab is written once and takes the room of what it holds.
///
/// Owner:   DiskStore.
/// Threads: calls for different slabs may run at once.
/// Bounds:  on disk the slabs and kPieceBytes, and while one is written its old file, too; in memory
///          a few pieces for each call.
class SlabFiles {
 public:
  static constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

  /// For `slabs` slabs, in a folder of their own in `directory`, which is removed with this object.
  /// Errors name the path.
  static absl::StatusOr<std::unique_ptr<SlabFiles>> Open(const std::string& directory,
                                                         std::size_t slabs);
  ~SlabFiles();

  bool Has(std::size_t slab) const { return versions_[slab] > 0; }

  /// Replaces what was written of the slab. ResourceExhausted: the disk is full; after an error the
  /// slab is as it was.
  absl::Status Write(std::size_t slab, std::span<const float> rows);

  /// What was written. DataLoss: it is not whole, or not as it was. Requires: Has(slab), as many rows.
  absl::Status Read(std::size_t slab, std::span<float> rows) const;

  const std::string& folder() const { return folder_.path(); }

 private:
  struct Format;  // What RocksDB is told.

  SlabFiles(ScratchFolder folder, std::size_t slabs);
  std::string PathOf(std::size_t slab, std::uint64_t version) const;

  ScratchFolder folder_;
  std::unique_ptr<const Format> format_;
  std::vector<std::uint64_t> versions_;  // By slab: of its file; 0 for none.
};

}  // namespace cf
