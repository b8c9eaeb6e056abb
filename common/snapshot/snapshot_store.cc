#include "common/snapshot/snapshot_store.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/files.h"
#include "common/base/status.h"

namespace cf {
namespace {

/// A file that this library named, with the time in its name.
struct NamedFile {
  std::string name;
  SnapshotTime time;
};

/// The files of a folder that carry a time, in no order; others are none of our business.
absl::StatusOr<std::vector<NamedFile>> ListFolder(const std::string& folder) {
  std::vector<NamedFile> files;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    std::string name = entry->path().filename().string();
    if (const std::optional<SnapshotTime> time = TimeOfName(name)) {
      files.push_back({.name = std::move(name), .time = *time});
    }
  }
  if (error) return ErrnoError(error.value(), folder);
  return files;
}

bool IsManifest(const NamedFile& file) {
  return file.name == SnapshotName(file.time);
}

/// The time of the newest manifest by its name, sound or not.
std::optional<SnapshotTime> NewestOf(const std::vector<NamedFile>& files) {
  std::optional<SnapshotTime> newest;
  for (const NamedFile& file : files) {
    if (IsManifest(file) && (!newest || file.time > *newest)) newest = file.time;
  }
  return newest;
}

absl::Status CreateFolder(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  return error ? ErrnoError(error.value(), path) : absl::OkStatus();
}

absl::Status Remove(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoError(errno, path);
}

/// 0 for what is a link or has gone meanwhile.
std::uint64_t BytesOf(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(std::filesystem::symlink_status(path, error))) return 0;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  return error ? 0 : bytes;
}

std::set<std::string> RowFilesOf(const Manifest& manifest) {
  std::set<std::string> files;
  for (const FileEntry& entry : manifest.files()) {
    if (entry.rows() > 0) files.insert(entry.file());
  }
  return files;
}

/// The newest snapshot that shares no row file with the last one, preferably one of `kept`: what is
/// left of the model if a file of the last one is damaged. Null where there is none.
const Manifest* Spare(const std::vector<Manifest>& snapshots, const std::set<std::string>& kept) {
  if (snapshots.empty()) return nullptr;
  const std::set<std::string> files = RowFilesOf(snapshots.back());
  const Manifest* spare = nullptr;
  for (const Manifest& manifest : snapshots) {
    const bool shares = std::ranges::any_of(manifest.files(), [&files](const FileEntry& entry) {
      return files.contains(entry.file());
    });
    if (shares || manifest.name() == snapshots.back().name()) continue;
    if (spare == nullptr || kept.contains(manifest.name()) || !kept.contains(spare->name())) {
      spare = &manifest;
    }
  }
  return spare;
}

/// The names that Collect must not touch: the newest, the best, those in use and the spare one.
std::set<std::string> KeptBy(const CollectOptions& options,
                             const std::vector<Manifest>& snapshots) {
  std::set<std::string> kept = options.also_keep;
  const std::size_t count = std::min(options.keep, snapshots.size());
  for (auto newest = snapshots.rbegin(); newest != snapshots.rbegin() + static_cast<long>(count);
       ++newest) {
    kept.insert(newest->name());
  }
  if (!snapshots.empty()) kept.insert(snapshots.back().best_snapshot());
  if (const Manifest* const spare = Spare(snapshots, kept)) kept.insert(spare->name());
  return kept;
}

}  // namespace

SnapshotStore::SnapshotStore(std::string folder, bool writable)
    : folder_(std::move(folder)), writable_(writable) {
}

absl::StatusOr<SnapshotStore> SnapshotStore::Open(const std::string& folder) {
  absl::Status created = CreateFolder(RowsFolder(folder));
  if (!created.ok()) return created;
  SnapshotStore store(folder, true);
  absl::Status mended = store.MendLinks();
  if (!mended.ok()) return mended;
  return store;
}

absl::StatusOr<SnapshotStore> SnapshotStore::View(const std::string& folder) {
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such folder of snapshots"));
  }
  return SnapshotStore(folder, false);
}

absl::StatusOr<SnapshotStore::Listing> SnapshotStore::List() const {
  absl::StatusOr<std::vector<NamedFile>> files = ListFolder(folder_);
  if (!files.ok()) return files.status();
  std::sort(files->begin(), files->end(),
            [](const NamedFile& a, const NamedFile& b) { return a.time < b.time; });
  Listing listing;
  for (const NamedFile& file : *files) {
    if (!IsManifest(file)) continue;
    absl::StatusOr<Manifest> manifest = ReadManifest(PathOf(file.name));
    // Collected by the job since the folder was listed.
    if (absl::IsNotFound(manifest.status())) continue;
    if (manifest.ok() && manifest->name() != file.name) {
      manifest = absl::DataLossError(
          absl::StrCat(PathOf(file.name), ": is the manifest of ", manifest->name()));
    }
    if (manifest.ok()) {
      listing.snapshots.push_back(*std::move(manifest));
    } else {
      listing.damaged.push_back(manifest.status());
    }
  }
  return listing;
}

absl::StatusOr<Manifest> SnapshotStore::Latest() const {
  absl::StatusOr<Listing> listing = List();
  if (!listing.ok()) return listing.status();
  if (!listing->snapshots.empty()) return std::move(listing->snapshots.back());
  if (!listing->damaged.empty()) return listing->damaged.back();
  return absl::NotFoundError(absl::StrCat(folder_, ": no snapshot yet"));
}

absl::StatusOr<Manifest> SnapshotStore::Best() const {
  absl::StatusOr<Manifest> latest = Latest();
  if (!latest.ok()) return latest;
  if (latest->best_snapshot().empty()) {
    return absl::NotFoundError(
        absl::StrCat(folder_, ": no best snapshot yet: the first epoch is not finished"));
  }
  return ReadManifest(PathOf(latest->best_snapshot()));
}

std::string SnapshotStore::PathOf(const std::string& name) const {
  return absl::StrCat(folder_, "/", name);
}

absl::Status SnapshotStore::Commit(const Manifest& manifest) {
  Check(writable_, "only the owner of a store commits");
  if (absl::Status valid = ValidateManifest(manifest); !valid.ok()) return valid;
  if (absl::Status present = CheckRowFiles(folder_, manifest); !present.ok()) return present;

  absl::StatusOr<std::vector<NamedFile>> files = ListFolder(folder_);
  if (!files.ok()) return files.status();
  const std::optional<SnapshotTime> newest = NewestOf(*files);
  if (newest && *newest == TimeOf(manifest)) {
    return absl::AlreadyExistsError(absl::StrCat(PathOf(manifest.name()), ": exists already"));
  }
  if (newest && *newest > TimeOf(manifest)) {
    return absl::FailedPreconditionError(absl::StrCat(PathOf(manifest.name()),
                                                      ": the newer snapshot ",
                                                      SnapshotName(*newest), " exists already"));
  }

  const std::string& best = manifest.best_snapshot();
  if (!best.empty() && best != manifest.name() && ::access(PathOf(best).c_str(), F_OK) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(PathOf(manifest.name()), ": the best snapshot ", best, " is not there"));
  }

  absl::Status written = WriteFileAtomically(PathOf(manifest.name()), FormatManifest(manifest));
  if (!written.ok()) return written;
  absl::Status pointed = PointLink("latest", manifest.name());
  if (!pointed.ok() || best.empty()) return pointed;
  return PointLink("best", best);
}

absl::StatusOr<Collectable> SnapshotStore::ToCollect(const CollectOptions& options) const {
  Check(options.keep > 0, "the newest snapshot is always kept");
  absl::StatusOr<Listing> listing = List();
  if (!listing.ok()) return listing.status();
  absl::StatusOr<std::vector<NamedFile>> names = ListFolder(folder_);
  if (!names.ok()) return names.status();
  absl::StatusOr<std::vector<NamedFile>> row_files = ListFolder(RowsFolder(folder_));
  if (!row_files.ok()) return row_files.status();

  for (const std::vector<NamedFile>* files : {&*names, &*row_files}) {
    for (const NamedFile& file : *files) {
      if (file.time.generation <= options.generation) continue;
      return absl::FailedPreconditionError(absl::StrCat(
          folder_, ": generation ", file.time.generation, " has taken over from generation ",
          options.generation, " (", file.name, ")"));
    }
  }
  if (!listing->damaged.empty()) {
    return Because(listing->damaged.front(), "collecting snapshots");
  }

  Collectable found;
  const std::set<std::string> kept = KeptBy(options, listing->snapshots);
  std::set<std::string> named;  // Row files of the snapshots that stay.
  for (const Manifest& manifest : listing->snapshots) {
    if (!kept.contains(manifest.name())) {
      found.snapshots.push_back(manifest.name());
      continue;
    }
    for (const FileEntry& entry : manifest.files()) named.insert(entry.file());
  }
  const std::optional<SnapshotTime> newest = NewestOf(*names);
  const auto settled = [&](const NamedFile& file) {
    return file.time.generation < options.generation || (newest && file.time <= *newest);
  };
  for (const NamedFile& file : *names) {
    if (!IsManifest(file) && settled(file)) found.files.push_back(file.name);
  }
  for (const NamedFile& file : *row_files) {
    if (named.contains(file.name) || !settled(file)) continue;
    found.files.push_back(RowFilePath(".", file.name));
  }
  for (const std::vector<std::string>* files : {&found.snapshots, &found.files}) {
    for (const std::string& file : *files) found.bytes += BytesOf(PathOf(file));
  }
  return found;
}

absl::Status SnapshotStore::Collect(const CollectOptions& options) {
  Check(writable_, "only the owner of a store collects");
  const absl::StatusOr<Collectable> found = ToCollect(options);
  if (!found.ok()) return found.status();
  for (const std::string& name : found->snapshots) {
    if (absl::Status removed = Remove(PathOf(name)); !removed.ok()) return removed;
  }
  // A manifest must not come back, after a power cut, when its row files are gone.
  if (absl::Status synced = SyncPath(folder_); !synced.ok()) return synced;
  for (const std::string& file : found->files) {
    if (absl::Status removed = Remove(PathOf(file)); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

absl::Status SnapshotStore::MendLinks() const {
  absl::StatusOr<Manifest> latest = Latest();
  // A crash may have come before the first snapshot, or nothing may be readable: no link is mended.
  if (!latest.ok()) return absl::OkStatus();
  absl::Status pointed = PointLink("latest", latest->name());
  if (!pointed.ok() || latest->best_snapshot().empty()) return pointed;
  return PointLink("best", latest->best_snapshot());
}

absl::Status SnapshotStore::PointLink(const std::string& link, const std::string& name) const {
  const std::string path = PathOf(link);
  std::error_code error;
  if (std::filesystem::read_symlink(path, error) == name && !error) return absl::OkStatus();
  const std::string temporary = PathOf(absl::StrCat(name, ".", link, ".tmp.", ::getpid()));
  if (absl::Status removed = Remove(temporary); !removed.ok()) return removed;
  if (::symlink(name.c_str(), temporary.c_str()) != 0) return ErrnoError(errno, temporary);
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoError(errno, path);
  return absl::OkStatus();
}

}  // namespace cf
