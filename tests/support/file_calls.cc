#include "tests/support/file_calls.h"

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <mutex>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "common/base/check.h"
#include "common/base/files.h"

namespace cf {
namespace {

namespace fs = std::filesystem;
using Kind = FileCall::Kind;

// What libc's functions are replaced by has no object to keep its notes in.
struct Notes {
  std::mutex mutex;  // Calls come from any thread.
  bool wanted = false;
  std::vector<FileCall> calls;
};

Notes& TheNotes() {
  static Notes notes;
  return notes;
}

void Note(FileCall call) {
  Notes& notes = TheNotes();
  const std::lock_guard lock(notes.mutex);
  if (notes.wanted) notes.calls.push_back(std::move(call));
}

/// `path` with its folder's links resolved; its own name may be gone.
std::string Absolute(const fs::path& path) {
  std::error_code error;
  const fs::path folder = fs::canonical(path.has_parent_path() ? path.parent_path() : ".", error);
  return (folder / path.filename()).string();
}

void NoteSync(int file) {
  std::error_code error;
  // By the descriptor, since a file without a name cannot be opened by what the kernel calls it.
  const std::string descriptor = "/proc/self/fd/" + std::to_string(file);
  const fs::path path = fs::read_symlink(descriptor, error);
  struct stat info = {};
  if (error || ::fstat(file, &info) != 0) return;
  Note({.kind = Kind::kSync,
        .path = path.string(),
        .to = {},
        .bytes = static_cast<std::uint64_t>(info.st_size),
        .contents = S_ISREG(info.st_mode) ? ReadFile(descriptor).value_or("") : ""});
}

int OpenAndNote(const char* path, int flags, va_list arguments) {
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  struct stat info = {};
  const bool is_new =
      (flags & O_CREAT) != 0 && ::syscall(SYS_newfstatat, AT_FDCWD, path, &info, 0) != 0;
  const int file = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  if (file >= 0 && is_new) Note({.kind = Kind::kCreate, .path = Absolute(path), .to = {}});
  return file;
}

/// The place of the last sync of `path` in [first, last); last where there is none.
std::size_t FindSync(const std::vector<FileCall>& calls, std::size_t first, std::size_t last,
                     const std::string& path) {
  for (std::size_t k = last; k > first; --k) {
    if (calls[k - 1].kind == Kind::kSync && calls[k - 1].path == path) return k - 1;
  }
  return last;
}

/// The last call before call `last` that gave something the name `path`; last where there is none.
std::size_t FindRename(const std::vector<FileCall>& calls, std::size_t last,
                       const std::string& path) {
  for (std::size_t k = last; k > 0; --k) {
    const FileCall& call = calls[k - 1];
    if ((call.kind == Kind::kRename || call.kind == Kind::kName) && call.to == path) return k - 1;
  }
  return last;
}

/// Whether a file that has `bytes` was synced before call `last`, under `path` or what it was
/// called before.
bool IsSynced(const std::vector<FileCall>& calls, std::size_t last, const std::string& path,
              std::uintmax_t bytes) {
  for (std::size_t k = 0; k < last; ++k) {
    const FileCall& call = calls[k];
    if (call.kind == Kind::kSync && call.path == path && call.bytes == bytes) return true;
  }
  const std::size_t renamed = FindRename(calls, last, path);
  return renamed < last && IsSynced(calls, renamed, calls[renamed].path, bytes);
}

/// Why the files of folder `path`, which was renamed from `from` by call `renamed`, are not whole.
std::string WhyFolderNotDurable(const std::vector<FileCall>& calls, std::size_t renamed,
                                const std::string& from, const std::string& path) {
  const std::size_t folder = FindSync(calls, 0, renamed, from);
  if (folder == renamed) return from + " was not synced before it was renamed";
  for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
    const std::string file = from + "/" + entry.path().filename().string();
    if (!IsSynced(calls, folder, file, entry.file_size())) {
      return file + " was not synced after its last byte and before its folder";
    }
  }
  return "";
}

}  // namespace

FileCalls::FileCalls() {
  Notes& notes = TheNotes();
  const std::lock_guard lock(notes.mutex);
  Check(!notes.wanted, "one object at a time notes calls");
  notes.wanted = true;
  notes.calls.clear();
}

FileCalls::~FileCalls() {
  Notes& notes = TheNotes();
  const std::lock_guard lock(notes.mutex);
  notes.wanted = false;
}

std::vector<FileCall> FileCalls::calls() const {
  Notes& notes = TheNotes();
  const std::lock_guard lock(notes.mutex);
  return notes.calls;
}

std::string WhyNotDurable(const std::vector<FileCall>& calls, const std::string& path) {
  const std::string place = Absolute(path);
  const std::size_t renamed = FindRename(calls, calls.size(), place);
  if (renamed == calls.size()) return place + " was not renamed into its place";
  const std::string& from = calls[renamed].path;
  if (fs::is_directory(place)) {
    std::string why = WhyFolderNotDurable(calls, renamed, from, place);
    if (!why.empty()) return why;
  } else if (!IsSynced(calls, renamed, from, fs::file_size(place))) {
    return from + " was not synced after its last byte and before it was renamed";
  }
  const std::string around = fs::path(place).parent_path().string();
  if (FindSync(calls, renamed, calls.size(), around) == calls.size()) {
    return around + " was not synced after the rename";
  }
  return "";
}

}  // namespace cf

// The names of libc: what is linked into the program comes first, for shared libraries, too.
extern "C" {

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = cf::OpenAndNote(path, flags, arguments);
  va_end(arguments);
  return file;
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int file = cf::OpenAndNote(path, flags, arguments);
  va_end(arguments);
  return file;
}

int symlink(const char* to, const char* path) noexcept {
  const long result = ::syscall(SYS_symlinkat, to, AT_FDCWD, path);
  if (result == 0) {
    cf::Note({.kind = cf::FileCall::Kind::kLink, .path = cf::Absolute(path), .to = to});
  }
  return static_cast<int>(result);
}

int fsync(int file) {
  cf::NoteSync(file);
  return static_cast<int>(::syscall(SYS_fsync, file));
}

int fdatasync(int file) {
  cf::NoteSync(file);
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

int rename(const char* from, const char* to) noexcept {
  const long result = ::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (result == 0) {
    cf::Note({.kind = cf::FileCall::Kind::kRename,
              .path = cf::Absolute(from),
              .to = cf::Absolute(to),
              .bytes = 0});
  }
  return static_cast<int>(result);
}

int linkat(int from_folder, const char* from, int to_folder, const char* to, int flags) noexcept {
  std::error_code error;
  const std::string before = cf::fs::read_symlink(from, error).string();
  const long result = ::syscall(SYS_linkat, from_folder, from, to_folder, to, flags);
  if (result == 0 && !error) {
    cf::Note(
        {.kind = cf::FileCall::Kind::kName, .path = before, .to = cf::Absolute(to), .bytes = 0});
  }
  return static_cast<int>(result);
}

int unlink(const char* path) noexcept {
  const long result = ::syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (result == 0) {
    cf::Note(
        {.kind = cf::FileCall::Kind::kRemove, .path = cf::Absolute(path), .to = {}, .bytes = 0});
  }
  return static_cast<int>(result);
}

}  // extern "C"
