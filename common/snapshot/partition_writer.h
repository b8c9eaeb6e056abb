#pragma once

#include <memory>
#include <span>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/ids.h"
#include "common/snapshot/manifest.h"

namespace cf {

/// Writes one row file of one partition. Nothing counts before a manifest names the file; a writer
/// that is destroyed before Finish takes its file away again.
///
/// Owner:   whoever writes the partition's rows.
/// Threads: one at a time; writers of different files are independent.
/// Bounds:  one block (64 KiB), RocksDB's write buffer (1 MiB) and 12 bytes an index entry.
/// Invariants: never opens a file that exists.
class PartitionWriter {
 public:
  /// Creates the file of `id` in `folder`/rows, where `folder` is the run's snapshots folder and
  /// SnapshotStore::Open has made it. AlreadyExists: the file is there.
  static absl::StatusOr<PartitionWriter> Create(const std::string& folder, const RowFileId& id);

  PartitionWriter(PartitionWriter&&) noexcept;
  PartitionWriter& operator=(PartitionWriter&&) noexcept;
  ~PartitionWriter();

  /// Adds a row: weights, then each optimizer moment; of each the vector and then the bias, without
  /// padding. After an error the writer is only to be destroyed. Requires: (table, row) ascends.
  absl::Status Add(TableId table, RowId row, std::span<const float> record);

  /// Syncs the file and its folder, and returns its entry for the manifest. Without any row there
  /// is no file, and the entry says so. Call once, last.
  absl::StatusOr<FileEntry> Finish();

 private:
  struct File;
  explicit PartitionWriter(std::unique_ptr<File> file);

  std::unique_ptr<File> file_;
};

/// Whether an error is of a PartitionWriter: what keeps the file from being written.
bool IsRowFileWriteError(const absl::Status& error);

/// Removes row files that no manifest names, as far as the disk lets it: what stays is collected later.
void RemoveRowFiles(const std::string& folder, std::span<const FileEntry> files);

}  // namespace cf
