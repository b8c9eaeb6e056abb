#include "common/base/files.h"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>

#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "common/base/temporary_files.h"

namespace cf {
namespace {

absl::Status WriteWhole(int file, std::string_view contents, const std::string& path) {
  while (!contents.empty()) {
    const bool is_short = FaultAt("file.write_part", path.c_str()) == Fault::kShort;
    const ssize_t written =
        ::write(file, contents.data(), is_short ? (contents.size() + 1) / 2 : contents.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, path);
    contents.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

std::string FolderOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Errors name `path`, which `file`, now or soon `temporary`, is to be.
absl::Status WriteAndSync(int file, const std::string& path, const std::string& temporary,
                          std::string_view contents, bool sync) {
  int fault = ErrnoAt("file.write", path.c_str());
  if (fault != 0) return ErrnoError(fault, path);
  absl::Status written = WriteWhole(file, contents, path);
  fault = ErrnoAt("file.sync", temporary.c_str());
  if (written.ok() && fault != 0) written = ErrnoError(fault, path);
  if (written.ok() && sync && ::fsync(file) != 0) written = ErrnoError(errno, path);
  return written;
}

// Writes a file without a name and gives it that of `temporary`; whether that was possible.
bool WriteUnnamed(const std::string& path, const std::string& temporary, std::string_view contents,
                  bool sync, absl::Status& written) {
  const int file = OpenUnnamed(FolderOf(path), 0644);
  if (file < 0) return false;
  const absl::Cleanup close = [file] { ::close(file); };
  written = WriteAndSync(file, path, temporary, contents, sync);
  if (!written.ok()) return true;
  // Of a process that had this one's number.
  ::unlink(temporary.c_str());
  return NameFile(file, temporary) == 0;
}

absl::Status WriteNamed(const std::string& path, const std::string& temporary,
                        std::string_view contents, bool sync) {
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  // Errors name what the caller knows.
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  return WriteAndSync(file, path, temporary, contents, sync);
}

absl::Status Replace(const std::string& path, std::string_view contents, bool sync) {
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  absl::Status written;
  if (!WriteUnnamed(path, temporary, contents, sync, written)) {
    written = WriteNamed(path, temporary, contents, sync);
  }
  FaultAt("file.rename", path.c_str());
  if (written.ok() && std::rename(temporary.c_str(), path.c_str()) != 0) {
    written = ErrnoError(errno, path);
  }
  if (!written.ok()) ::unlink(temporary.c_str());
  return written;
}

absl::StatusOr<std::string> ReadWhole(int file, const std::string& path) {
  std::string contents;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(file, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) return contents;
    contents.append(buffer, static_cast<std::size_t>(got));
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  return ReadWhole(file, path);
}

absl::StatusOr<std::string> ReadOwnFile(const std::string& path) {
  // A pipe without a writer would block.
  const int file = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  struct stat info = {};
  if (::fstat(file, &info) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(path + ": not a file");
  return ReadWhole(file, path);
}

bool IsInPlaceOfAFile(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode);
}

absl::StatusOr<std::string> MoveAside(const std::string& path) {
  for (int k = 1;; ++k) {
    const std::string aside =
        k == 1 ? absl::StrCat(path, ".damaged") : absl::StrCat(path, ".damaged-", k);
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE) == 0) {
      return aside;
    }
    if (errno == EEXIST) continue;
    // Some file systems of servers cannot refuse to replace.
    if (errno != EINVAL && errno != ENOSYS) return ErrnoError(errno, aside);
    struct stat info = {};
    if (::lstat(aside.c_str(), &info) == 0) continue;
    if (std::rename(path.c_str(), aside.c_str()) == 0) return aside;
    return ErrnoError(errno, aside);
  }
}

absl::Status WriteFileAtomically(const std::string& path, std::string_view contents) {
  absl::Status written = Replace(path, contents, /*sync=*/true);
  return written.ok() ? SyncPath(FolderOf(path)) : written;
}

absl::Status ReplaceFile(const std::string& path, std::string_view contents) {
  return Replace(path, contents, /*sync=*/false);
}

absl::Status SyncPath(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  if (const int fault = ErrnoAt("path.sync", path.c_str()); fault != 0) {
    ::close(file);
    return ErrnoError(fault, path);
  }
  const int result = ::fsync(file);
  const int error = errno;
  ::close(file);
  return result == 0 ? absl::OkStatus() : ErrnoError(error, path);
}

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  struct stat info = {};
  if (::fstat(file, &info) != 0) return ErrnoError(errno, path);
  if (!S_ISREG(info.st_mode)) return absl::InvalidArgumentError(absl::StrCat(path, ": not a file"));
  MappedFile mapped;
  if (info.st_size == 0) return mapped;  // mmap refuses a length of zero.
  void* data =
      ::mmap(nullptr, static_cast<std::size_t>(info.st_size), PROT_READ, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) return ErrnoError(errno, path);
  mapped.data_ = static_cast<const std::byte*>(data);
  mapped.size_ = static_cast<std::size_t>(info.st_size);
  return mapped;
}

void MappedFile::GiveBack(std::size_t first, std::size_t last) const {
  constexpr std::size_t kPage = 4096;
  // Of the file, which begins a page.
  first += front_;
  last += front_;
  first -= first % kPage;
  if (data_ == nullptr || first >= last) return;
  ::madvise(const_cast<std::byte*>(data_) - front_ + first, last - first, MADV_DONTNEED);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      front_(std::exchange(other.front_, 0)) {
}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(front_, other.front_);
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_) - front_, front_ + size_);
}

}  // namespace cf
