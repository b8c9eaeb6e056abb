#include "common/base/scratch_file.h"

#include <cerrno>
#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/fault_point.h"
#include "common/base/status.h"

namespace cf {

absl::StatusOr<std::unique_ptr<ScratchFile>> ScratchFile::Create(const std::string& path,
                                                                 Access access) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  bool direct = access == Access::kDirect;
  int file = ::open(path.c_str(), kFlags | (direct ? O_DIRECT : 0), 0600);
  if (file < 0 && errno == EINVAL && direct) {
    // The file may be there all the same.
    ::unlink(path.c_str());
    direct = false;
    file = ::open(path.c_str(), kFlags, 0600);
  }
  if (file < 0) return ErrnoError(errno, path);
  return std::unique_ptr<ScratchFile>(new ScratchFile(path, file, direct));
}

ScratchFile::ScratchFile(std::string path, int file, bool direct)
    : path_(std::move(path)), file_(file), direct_(direct) {
}

ScratchFile::~ScratchFile() {
  ::close(file_);
  ::unlink(path_.c_str());
}

absl::Status ScratchFile::Reserve(std::uint64_t bytes) {
  if (direct_ && bytes > 0) {
    const std::string what = absl::StrCat(path_, " (", (bytes >> 20) + 1, " MiB)");
    struct statvfs system = {};
    if (::fstatvfs(file_, &system) != 0) return ErrnoError(errno, what);
    // Without room some file systems give all that they have before they say so.
    if (system.f_bavail * system.f_frsize < bytes) return ErrnoError(ENOSPC, what);
    int reserved = -1;
    do {
      reserved = ::fallocate(file_, 0, 0, static_cast<off_t>(bytes));
    } while (reserved != 0 && errno == EINTR);
    if (reserved == 0) return absl::OkStatus();
    if (errno != EOPNOTSUPP) return ErrnoError(errno, what);
  }
  if (::ftruncate(file_, static_cast<off_t>(bytes)) != 0) return ErrnoError(errno, path_);
  return absl::OkStatus();
}

// The system's calls may do less than they are asked for.

absl::Status ScratchFile::Write(std::uint64_t at, std::span<const std::byte> bytes) {
  if (const int fault = ErrnoAt("scratch.write", path_.c_str()); fault != 0) {
    return ErrnoError(fault, path_);
  }
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, path_);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status ScratchFile::Read(std::uint64_t at, std::span<std::byte> bytes) const {
  if (const int fault = ErrnoAt("scratch.read", path_.c_str()); fault != 0) {
    return ErrnoError(fault, path_);
  }
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file_, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path_);
    if (got == 0) return absl::DataLossError(absl::StrCat(path_, ": is shorter than it was"));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    at += static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

void ScratchFile::Announce(std::uint64_t at, std::uint64_t bytes) const {
  ::posix_fadvise(file_, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

void ScratchFile::Forget(std::uint64_t at, std::uint64_t bytes) const {
  ::posix_fadvise(file_, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
}

}  // namespace cf
