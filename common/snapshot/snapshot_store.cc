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
#include "common/base/fault_point.h"
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

/// Whether a manifest is not what was written, so that nobody will ever read it. One that its disk
/// did not give, or that a later program wrote, may be sound.
bool IsBeyondDoubt(const absl::Status& why) {
  return IsSnapshotDamage(why) && !absl::IsInternal(why);
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
  // Once: the best of a best is itself.
  for (const Manifest& manifest : snapshots) {
    if (kept.contains(manifest.name())) kept.insert(manifest.best_snapshot());
  }
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
  store.MendLinks();
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
    absl::StatusOr<Manifest> manifest = ReadNamed(file.name);
    // Collected by the job since the folder was listed.
    if (absl::IsNotFound(manifest.status())) continue;
    if (manifest.ok()) {
      listing.snapshots.push_back(*std::move(manifest));
    } else {
      listing.damaged.push_back({.name = file.name, .why = manifest.status()});
    }
  }
  return listing;
}

absl::StatusOr<std::optional<std::string>> SnapshotStore::NewestName() const {
  const absl::StatusOr<std::vector<NamedFile>> files = ListFolder(folder_);
  if (!files.ok()) return files.status();
  std::optional<SnapshotTime> newest = NewestOf(*files);
  // The link follows the manifests: where it is ahead of them, one is gone.
  std::error_code none;
  const std::string linked = std::filesystem::read_symlink(PathOf("latest"), none).string();
  const std::optional<SnapshotTime> time = TimeOfName(linked);
  if (time.has_value() && linked == SnapshotName(*time)) {
    newest = std::max(newest.value_or(*time), *time);
  }
  if (!newest.has_value()) return std::nullopt;
  return SnapshotName(*newest);
}

absl::StatusOr<Manifest> SnapshotStore::ReadNamed(const std::string& name) const {
  absl::StatusOr<Manifest> manifest = ReadManifest(PathOf(name));
  if (!manifest.ok() || manifest->name() == name) return manifest;
  return AsSnapshotDamage(
      absl::DataLossError(absl::StrCat(PathOf(name), ": is the manifest of ", manifest->name())));
}

absl::StatusOr<Manifest> SnapshotStore::Latest() const {
  const absl::StatusOr<std::optional<std::string>> newest = NewestName();
  if (!newest.ok()) return newest.status();
  if (!newest->has_value()) return absl::NotFoundError(folder_ + ": no snapshot yet");
  absl::StatusOr<Manifest> manifest = ReadNamed(**newest);
  if (manifest.ok()) return manifest;
  const absl::StatusOr<Listing> others = List();
  const std::string hint = others.ok() && !others->snapshots.empty()
                               ? absl::StrCat("; the newest that can be read is ",
                                              PathOf(others->snapshots.back().name()))
                               : "";
  // There is one, so that it is not found is damage.
  return AsSnapshotDamage(absl::DataLossError(absl::StrCat(manifest.status().message(), hint)));
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
  const std::string text = FormatManifest(manifest);
  const bool is_there = newest && *newest == TimeOf(manifest);
  // It may be this one, whose folder could not be synced when it was committed.
  if (is_there && ReadOwnFile(PathOf(manifest.name())).value_or("") != text) {
    return absl::AlreadyExistsError(absl::StrCat(PathOf(manifest.name()), ": exists already"));
  }
  if (newest && *newest > TimeOf(manifest)) {
    return absl::FailedPreconditionError(absl::StrCat(PathOf(manifest.name()),
                                                      ": the newer snapshot ",
                                                      SnapshotName(*newest), " exists already"));
  }

  const std::string& best = manifest.best_snapshot();
  const bool has_best =
      best == manifest.name() || (!best.empty() && ::access(PathOf(best).c_str(), F_OK) == 0);
  if (!has_best && !best.empty() &&
      TimeOfName(best).value_or(SnapshotTime()).generation == manifest.generation()) {
    return absl::FailedPreconditionError(
        absl::StrCat(PathOf(manifest.name()), ": the best snapshot ", best, " is not there"));
  }

  absl::Status written =
      is_there ? SyncPath(folder_) : WriteFileAtomically(PathOf(manifest.name()), text);
  if (!written.ok()) return written;
  FaultAt("commit.links");
  // It exists now. Links are for people, and the next opening mends them; what is in their place, or a
  // disk that is full, undoes nothing.
  PointLink("latest", manifest.name()).IgnoreError();
  if (has_best) PointLink("best", best).IgnoreError();
  return absl::OkStatus();
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
  Collectable found;
  std::erase_if(listing->snapshots, [&](const Manifest& manifest) {
    const bool goes = options.damaged.contains(manifest.name());
    if (goes) found.snapshots.push_back(manifest.name());
    return goes;
  });
  const std::optional<SnapshotTime> newest = NewestOf(*names);
  for (const Damaged& damaged : listing->damaged) {
    // What may be sound is not judged by its silence; and without the newest nothing is known of the
    // best.
    if (!IsBeyondDoubt(damaged.why) || damaged.name == SnapshotName(*newest)) {
      return Because(damaged.why, "collecting snapshots");
    }
    const bool is_best =
        !listing->snapshots.empty() && damaged.name == listing->snapshots.back().best_snapshot();
    if (!is_best) found.set_aside.push_back(damaged.name);
  }

  const std::set<std::string> kept = KeptBy(options, listing->snapshots);
  std::set<std::string> named;  // Row files of the snapshots that stay.
  for (const Manifest& manifest : listing->snapshots) {
    if (!kept.contains(manifest.name())) {
      found.snapshots.push_back(manifest.name());
      continue;
    }
    for (const FileEntry& entry : manifest.files()) named.insert(entry.file());
  }
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
  for (const std::string& name : found->set_aside) {
    const std::string aside = PathOf("damaged-" + name);
    if (std::rename(PathOf(name).c_str(), aside.c_str()) != 0) return ErrnoError(errno, aside);
  }
  // A manifest must not come back, after a power cut, when its row files are gone.
  if (absl::Status synced = SyncPath(folder_); !synced.ok()) return synced;
  FaultAt("collect.files");
  for (const std::string& file : found->files) {
    if (absl::Status removed = Remove(PathOf(file)); !removed.ok()) return removed;
  }
  return absl::OkStatus();
}

void SnapshotStore::MendLinks() const {
  absl::StatusOr<Manifest> latest = Latest();
  // A crash may have come before the first snapshot, or the newest may not be readable: no link is
  // mended.
  if (!latest.ok()) return;
  PointLink("latest", latest->name()).IgnoreError();
  const std::string& best = latest->best_snapshot();
  if (!best.empty()) PointLink("best", best).IgnoreError();
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
