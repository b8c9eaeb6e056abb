#pragma once

#include <atomic>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/activity.h"
#include "common/snapshot/manifest.h"
#include "paramserver/frozen_rows.h"

namespace cf {

/// Writes and syncs the row files of a rank from copies of its rows, on a thread of its own, while
/// training goes on.
///
/// Owner:      Member.
/// Threads:    one, the rank's first; its own lives as long as there are copies to write.
/// Bounds:     one snapshot at a time; the copies go, partition by partition, as they are written.
/// Invariants: files are told once, when all of them are on the disk.
class SnapshotWriter {
 public:
  struct Options {
    std::string folder;            ///< Of all snapshots of the run.
    Activity* activity = nullptr;  ///< Of its thread; null where nobody watches.
  };
  /// What is to be a file.
  struct Copy {
    RowFileId file;
    FrozenRows rows;
  };

  explicit SnapshotWriter(Options options) : options_(std::move(options)) {}
  SnapshotWriter(const SnapshotWriter&) = delete;
  SnapshotWriter& operator=(const SnapshotWriter&) = delete;
  /// Leaves off where it is.
  ~SnapshotWriter();

  /// Begins the rank's part of a snapshot: `written` is on the disk, and `copies` shall be.
  /// Requires: there is none whose files were not told.
  void Begin(std::vector<FileEntry> written, std::vector<Copy> copies);

  /// The files of the snapshot, if all of them are there now; nothing where none was begun or its
  /// files were told. The error of the first that could not be written, with its partition.
  absl::StatusOr<std::optional<std::vector<FileEntry>>> Poll();
  /// The same, after waiting for them.
  absl::StatusOr<std::optional<std::vector<FileEntry>>> Await();

 private:
  // On the thread.
  void WriteAll(const std::stop_token& stop, std::vector<Copy> copies);
  absl::StatusOr<FileEntry> Write(const std::stop_token& stop, const Copy& copy) const;

  const Options options_;
  bool begun_ = false;  // And not told.
  // The thread's until it is done.
  std::vector<FileEntry> files_;
  absl::Status failed_;
  std::atomic<bool> done_ = true;
  std::jthread thread_;  // Uses all of the above.
};

}  // namespace cf
