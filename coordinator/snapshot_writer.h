#pragma once

#include <condition_variable>
#include <mutex>
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
/// training goes on. What the disk does not take it tries again, at longer and longer intervals up to
/// some seconds, until it is told to leave off.
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

  /// How far the snapshot is that was begun last.
  struct Progress {
    /// Its files, if all of them are there now; nothing where none was begun or they were told.
    std::optional<std::vector<FileEntry>> files = {};
    /// What keeps the file from being written that is due, with its partition; OK: nothing.
    absl::Status trouble = absl::OkStatus();
  };

  /// Begins the rank's part of a snapshot: `written` is on the disk, and `copies` shall be.
  /// Requires: there is none whose files were not told.
  void Begin(std::vector<FileEntry> written, std::vector<Copy> copies);

  Progress Poll();
  /// The same, after waiting for the files, or for what keeps one from being written.
  Progress Await();

  /// Leaves off, and removes the files of the snapshot, told or not: nobody will commit them.
  void Drop();
  /// A committed manifest names its files.
  void Committed() { files_.clear(); }

 private:
  // On the thread.
  void WriteAll(const std::stop_token& stop, std::vector<Copy> copies);
  // Until it is there; nothing where the thread is to stop.
  std::optional<FileEntry> WriteOnceItCan(const std::stop_token& stop, Copy& copy);
  void SetTrouble(const absl::Status& trouble);
  Progress ProgressBy(std::unique_lock<std::mutex> lock);
  absl::StatusOr<FileEntry> Write(const std::stop_token& stop, const Copy& copy) const;

  const Options options_;
  bool begun_ = false;            // And not told.
  std::vector<FileEntry> files_;  // The thread's until it is done.
  std::mutex mutex_;              // For who waits for the thread,
  std::condition_variable_any changed_;
  bool done_ = true;      // guarded by it,
  absl::Status trouble_;  // as is this.
  std::jthread thread_;   // Uses all of the above.
};

}  // namespace cf
