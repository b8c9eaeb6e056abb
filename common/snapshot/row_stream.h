#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/snapshot/manifest.h"

namespace cf {

/// The rows of one partition, in order, over its base and deltas: the newest of a row wins.
///
/// Owner:   the call that reads.
/// Threads: one at a time.
/// Bounds:  one read-ahead buffer and one block for each file of the partition.
class PartitionRows {
 public:
  static constexpr std::size_t kReadAhead = std::size_t{256} << 10;

  /// `chain`: the partition's entries, in the manifest's order. DataLoss: a file cannot be
  /// opened, or has another checksum than its entry says: each is read once before RocksDB sees it.
  static absl::StatusOr<PartitionRows> Open(const std::string& folder,
                                            const std::vector<FileEntry>& chain,
                                            std::size_t read_ahead = kReadAhead);
  PartitionRows(PartitionRows&&) noexcept;
  PartitionRows& operator=(PartitionRows&&) noexcept;
  ~PartitionRows();

  /// The next row, which must be (`table`, `row`) and have `floats` floats; they hold until the
  /// next call. DataLoss says how the files differ from that.
  absl::StatusOr<std::span<const float>> Next(TableId table, RowId row, std::size_t floats);

  /// The next row will be this one, which is not before it; those between are not looked at. The end may
  /// not be asked for any more.
  absl::Status SkipTo(TableId table, RowId row);

  /// DataLoss if a file has rows left, or had another number of them than its entry says.
  absl::Status ExpectEnd() const;

 private:
  struct Source;
  explicit PartitionRows(std::vector<std::unique_ptr<Source>> sources);

  std::vector<std::unique_ptr<Source>> sources_;  // The oldest first.
  std::vector<float> record_;  // Rows lie unaligned in their blocks, so they are copied out.
};

/// DataLoss unless RocksDB finds every block of the file sound.
absl::Status VerifyBlocks(const std::string& folder, const FileEntry& entry);

/// Every row of a snapshot, ascending by (table, id). All its files are open at once, for which the
/// process is allowed as many as the system gives it.
///
/// Owner:   the call that reads.
/// Threads: one at a time.
/// Bounds:  one block for each file of the snapshot, and read-ahead buffers of 64 MiB at most.
class RowStream {
 public:
  static absl::StatusOr<RowStream> Open(const std::string& folder, const Manifest& manifest);

  struct Row {
    TableId table{};
    RowId id{};
    std::span<const float> record;  ///< Until the next call.
  };
  /// False at the end, where all files are known to have been read to theirs. DataLoss as above.
  absl::StatusOr<bool> Next(Row* row);

 private:
  RowStream(const Manifest& manifest, std::vector<PartitionRows> partitions);

  Partitioning partitioning_;
  std::vector<SnapshotTable> tables_;
  std::vector<PartitionRows> partitions_;
  std::uint32_t table_ = 0;
  std::uint32_t id_ = 0;
};

/// The entries of one partition, in the manifest's order.
std::vector<FileEntry> ChainOf(const Manifest& manifest, PartitionId partition);

}  // namespace cf
