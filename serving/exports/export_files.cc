#include "serving/exports/export_files.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_replace.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/base/temporary_files.h"
#include "serving/exports/model_file.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

// Whether a name is one that the earlier export has: what else lies there is somebody's own.
bool IsOfExport(const ExportedModel& earlier, const std::string& name) {
  if (name == kModelFile) return true;
  if (earlier.files().empty()) {
    // It was written before there was a list.
    return name == "users.csv" || name == "items.csv" || fs::path(name).extension() == ".npy";
  }
  return std::ranges::any_of(earlier.files(),
                             [&name](const ExportedFile& file) { return file.name() == name; });
}

// `folder` is where the export is to be, `shown` what the user calls it.
absl::Status CheckPlace(const std::string& folder, const std::string& shown, bool overwrite) {
  std::error_code error;
  if (!fs::exists(folder, error)) return absl::OkStatus();
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return absl::OkStatus();
  const absl::StatusOr<ExportedModel> earlier = ReadModelJson(folder);
  if (!earlier.ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat(shown, ": there is something that is not an export"));
  }
  if (!overwrite) {
    return absl::AlreadyExistsError(
        absl::StrCat(shown, ": there is an earlier export (--overwrite replaces it)"));
  }
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (IsOfExport(*earlier, entry->path().filename().string())) continue;
    return absl::AlreadyExistsError(absl::StrCat(shown, "/", entry->path().filename().string(),
                                                 " is not of an export and would be lost: move it, "
                                                 "or choose another folder"));
  }
  return error ? ErrnoError(error.value(), shown) : absl::OkStatus();
}

absl::Status Rename(const std::string& from, const std::string& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error ? ErrnoError(error.value(), to) : absl::OkStatus();
}

}  // namespace

ExportFile::ExportFile(OutputFile file, std::string name, ExportFiles* files)
    : file_(std::move(file)),
      name_(std::move(name)),
      files_(files),
      checksum_(std::make_unique<Checksum>()) {
}

void ExportFile::Write(const void* bytes, std::size_t size) {
  checksum_->Update(bytes, size);
  bytes_ += size;
  file_.Write(bytes, size);
}

absl::Status ExportFile::Close() {
  if (absl::Status closed = file_.Close(); !closed.ok()) return closed;
  files_->Note(name_, bytes_, checksum_->Hex());
  return absl::OkStatus();
}

absl::StatusOr<ExportFile> ExportFiles::Create(const std::string& name) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(absl::StrCat(folder_, "/", name));
  if (!file.ok()) return file.status();
  return ExportFile(*std::move(file), name, this);
}

absl::Status ExportFiles::AddWritten(const std::string& name) {
  const std::string path = absl::StrCat(folder_, "/", name);
  if (absl::Status synced = SyncPath(path); !synced.ok()) return synced;
  const absl::StatusOr<MappedFile> file = MappedFile::Open(path);
  if (!file.ok()) return file.status();
  Checksum checksum;
  checksum.Update(file->bytes().data(), file->bytes().size());
  Note(name, file->bytes().size(), checksum.Hex());
  return absl::OkStatus();
}

void ExportFiles::Note(const std::string& name, std::uint64_t bytes, const std::string& checksum) {
  ExportedFile& file = *written_.Add();
  file.set_name(name);
  file.set_bytes(static_cast<double>(bytes));
  file.set_checksum(checksum);
}

absl::Status MakeExportFolder(const std::string& folder, bool overwrite,
                              const std::function<absl::Status(ExportFiles& files)>& write) {
  // Where links lead, and without a slash at its end, so that names can be put behind it.
  std::error_code error;
  fs::path place = fs::weakly_canonical(folder, error);
  if (error) return ErrnoError(error.value(), folder);
  if (!place.has_filename()) place = place.parent_path();
  const std::string target = place.string();
  absl::Status free = CheckPlace(target, folder, overwrite);
  if (!free.ok()) return free;

  RemoveLeftBeside(target, ".", ".new");
  const std::string suffix = absl::StrCat(".", getpid());
  const std::string temporary = target + suffix + ".new";
  const std::string replaced = target + suffix + ".old";
  fs::create_directories(temporary, error);
  if (error) return ErrnoError(error.value(), folder);
  const absl::Cleanup remove = [&temporary] {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
  };
  ExportFiles files(temporary);
  absl::Status written = write(files);
  written.Update(SyncPath(temporary));
  if (!written.ok()) {
    // By the names that they would have had.
    return absl::Status(written.code(),
                        absl::StrReplaceAll(written.message(), {{temporary, folder}}));
  }
  const bool replaces = fs::exists(target, error) && !fs::is_empty(target, error);
  if (replaces) {
    if (absl::Status aside = Rename(target, replaced); !aside.ok()) return aside;
  }
  if (absl::Status moved = Rename(temporary, target); !moved.ok()) {
    if (replaces) fs::rename(replaced, target, error);
    return moved;
  }
  if (replaces) fs::remove_all(replaced, error);
  const std::string parent = place.parent_path().string();
  return SyncPath(parent.empty() ? "." : parent);
}

}  // namespace cf
