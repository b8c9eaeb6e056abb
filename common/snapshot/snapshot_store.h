#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/snapshot/manifest.h"

namespace cf {

/// What Collect keeps.
struct CollectOptions {
  std::size_t keep = 2;                  ///< The newest so many snapshots; at least 1.
  std::uint64_t generation = 0;          ///< The caller's own: leftovers of earlier ones go.
  std::set<std::string> also_keep = {};  ///< Names of snapshots in use.
  /// Names of snapshots that are known not to be whole: they count for nothing, and go.
  std::set<std::string> damaged = {};
};

/// What goes, or went, when snapshots are collected. Names are relative to the store's folder.
struct Collectable {
  std::vector<std::string> snapshots;  ///< Manifests, the oldest first.
  std::vector<std::string> files;      ///< Row files, and what a crash left behind.
  std::vector<std::string> set_aside;  ///< Damaged manifests: they get another name.
  std::uint64_t bytes = 0;             ///< Of all of them.
};

/// The snapshots of one run: the folder RUN/snapshots with its manifests, the row files below rows/
/// and the links `latest` and `best`. The manifests are the truth; the links follow them.
///
/// Owner:      the coordinator (Open); tools look at it without changing anything (View).
/// Threads:    one at a time. Any number of other processes may read the folder meanwhile.
/// Invariants: no file is ever written twice; a snapshot exists from the moment its manifest has
///             its name, and every row file it names was synced before; all paths are relative to
///             the folder, so that a run may be moved.
class SnapshotStore {
 public:
  /// Opens the folder of a live job: creates what is missing and mends the links that a crash left
  /// behind. Damaged manifests do not disturb it.
  static absl::StatusOr<SnapshotStore> Open(const std::string& folder);

  /// Opens the folder for looking only; Commit and Collect are refused. NotFound: no such folder.
  static absl::StatusOr<SnapshotStore> View(const std::string& folder);

  /// A manifest that cannot be read.
  struct Damaged {
    std::string name;
    absl::Status why;  ///< One line, with its path.
  };
  struct Listing {
    std::vector<Manifest> snapshots;  ///< The oldest first.
    std::vector<Damaged> damaged;     ///< The oldest first.
  };
  absl::StatusOr<Listing> List() const;

  /// The name of the newest snapshot, by the manifests and by `latest`, which is ahead of them only
  /// where one is missing; nothing where there is none.
  absl::StatusOr<std::optional<std::string>> NewestName() const;

  /// The newest snapshot, and never an older one in its place: the error of its manifest names the
  /// newest that can be read.
  /// NotFound: there is no snapshot.
  absl::StatusOr<Manifest> Latest() const;

  /// The one that the newest snapshot calls the best. NotFound: it names none; errors of Latest.
  absl::StatusOr<Manifest> Best() const;

  /// Where the named snapshot's manifest is, for Snapshot::Open.
  std::string PathOf(const std::string& name) const;

  /// Makes the snapshot exist and moves the links: `latest` to it and `best` to
  /// manifest.best_snapshot(), if any. AlreadyExists: its name is taken; FailedPrecondition: it is
  /// not newer than all others, is not valid, or names a best of its own generation that is not
  /// there (one of an earlier life may have been lost since); DataLoss: a row file is missing or has
  /// another size.
  absl::Status Commit(const Manifest& manifest);

  /// The manifests that `options` does not keep, and the row files that no remaining one names, up to
  /// the newest snapshot and from all earlier generations; later row files may be about to be
  /// committed. The best of each that is kept is kept, too: whoever goes on from it needs both. So
  /// is, where every other that is kept shares a row file with the newest, the newest that does not:
  /// one damaged file must not damage everything.
  /// A manifest that is damaged beyond doubt, and is neither the newest nor its best, is set aside; what
  /// only it names goes. FailedPrecondition: a later generation has begun to write. Other errors: a
  /// manifest cannot be read though it may be sound, so what it names is not known.
  absl::StatusOr<Collectable> ToCollect(const CollectOptions& options) const;

  /// Deletes what ToCollect names, manifests first, and gives those that are set aside a name with
  /// "damaged-" in front, by which nobody goes. With an error of ToCollect nothing is deleted.
  absl::Status Collect(const CollectOptions& options);

  const std::string& folder() const { return folder_; }

 private:
  SnapshotStore(std::string folder, bool writable);
  void MendLinks() const;
  absl::StatusOr<Manifest> ReadNamed(const std::string& name) const;
  absl::Status PointLink(const std::string& link, const std::string& name) const;

  std::string folder_;
  bool writable_;
};

}  // namespace cf
