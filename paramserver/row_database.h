#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/base/scratch_folder.h"

namespace rocksdb {
class DB;
class Env;
class Iterator;
}  // namespace rocksdb

namespace cf {

/// Where a row is among those on disk. Neighbours there are those that a pass over a partition meets
/// one after the other.
struct RowKey {
  TableId table{};
  PartitionId partition{};
  std::uint32_t slot = 0;
};

/// Rows on disk, each for itself: a scratch database of RocksDB, with checksums that reading verifies
/// and neither log nor sync. Its blocks are read past the system's cache, since whoever comes here has
/// a cache of its own. How rows are laid out was chosen by measurement (docs/results.md, beyond memory).
///
/// Owner:   CachedStore.
/// Threads: any; of two writes of a row the later one counts.
/// Bounds:  MemoryFor the rows that are written; on disk about twice their bytes.
class RowDatabase {
 public:
  /// What a write brings: rows[k] is `floats` floats from `rows + k * floats` on.
  struct Batch {
    std::span<const RowKey> keys;
    const float* rows = nullptr;
    std::size_t floats = 0;
  };

  /// What it takes in memory where up to `bytes` of rows are on disk.
  static std::size_t MemoryFor(std::uint64_t bytes);

  /// For up to `bytes` of rows, in a folder of its own in `directory`, which is removed with this
  /// object. Errors name the path.
  static absl::StatusOr<std::unique_ptr<RowDatabase>> Open(const std::string& directory,
                                                           std::uint64_t bytes);
  ~RowDatabase();

  /// Replaces rows. ResourceExhausted: the disk is full.
  absl::Status Write(const Batch& batch);

  /// What was written last. DataLoss: it is not there, or not as it was written.
  absl::Status Read(RowKey key, std::span<float> row) const;

  /// Rows of one table and partition, slots ascending, as they were when it began.
  class Scan {
   public:
    Scan(const RowDatabase& database, TableId table, PartitionId partition);
    ~Scan();
    Scan(const Scan&) = delete;
    Scan& operator=(const Scan&) = delete;

    /// As RowDatabase::Read. Requires: slots ascend from call to call.
    absl::Status Read(std::uint32_t slot, std::span<float> row);

   private:
    const RowDatabase& database_;
    RowKey at_;
    std::unique_ptr<rocksdb::Iterator> rows_;
  };

  const std::string& folder() const { return folder_.path(); }

 private:
  explicit RowDatabase(ScratchFolder folder);
  absl::Status Missing(RowKey key) const;

  ScratchFolder folder_;
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<rocksdb::DB> database_;
};

}  // namespace cf
