#include "coordinator/disk_speed.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <unistd.h>

#include <absl/cleanup/cleanup.h>

#include "common/base/scratch_folder.h"
#include "common/base/status.h"

namespace cf {
namespace {

// As large as what DiskStore moves, and aligned as direct I/O asks.
constexpr std::size_t kPieceBytes = std::size_t{4} << 20;
constexpr std::size_t kPieces = 64;
constexpr std::size_t kAlignment = 4096;

struct Free {
  void operator()(void* bytes) const { std::free(bytes); }
};

// Opens `path` past the cache, or through it where the file system has no such way.
int OpenDirect(const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags | O_DIRECT | O_CLOEXEC, 0600);
  return file >= 0 || errno != EINVAL ? file : ::open(path.c_str(), flags | O_CLOEXEC, 0600);
}

// Bytes a second of `move`, which is called for each piece's place, and of `flush` behind them.
absl::StatusOr<double> RateOf(const std::function<ssize_t(off_t at)>& move,
                              const std::function<int()>& flush, const std::string& path) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t piece = 0; piece < kPieces; ++piece) {
    const ssize_t moved = move(static_cast<off_t>(piece * kPieceBytes));
    if (moved < 0) return ErrnoError(errno, path);
    if (static_cast<std::size_t>(moved) != kPieceBytes) return ErrnoError(ENOSPC, path);
  }
  if (flush() != 0) return ErrnoError(errno, path);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return static_cast<double>(kPieces * kPieceBytes) / seconds.count();
}

}  // namespace

absl::StatusOr<DiskSpeed> MeasureDisk(const std::string& directory) {
  const absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(directory);
  if (!folder.ok()) return folder.status();
  const std::string path = folder->path() + "/speed";
  const int file = OpenDirect(path, O_RDWR | O_CREAT | O_EXCL);
  if (file < 0) return ErrnoError(errno, path);
  const absl::Cleanup close = [file] { ::close(file); };
  const std::unique_ptr<void, Free> bytes(std::aligned_alloc(kAlignment, kPieceBytes));
  // Not zeros, which some disks do not write.
  std::memset(bytes.get(), 0x5a, kPieceBytes);
  const absl::StatusOr<double> write =
      RateOf([&](off_t at) { return ::pwrite(file, bytes.get(), kPieceBytes, at); },
             [&] { return ::fdatasync(file); }, path);
  if (!write.ok()) return write.status();
  ::posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED);
  const absl::StatusOr<double> read =
      RateOf([&](off_t at) { return ::pread(file, bytes.get(), kPieceBytes, at); },
             [] { return 0; }, path);
  if (!read.ok()) return read.status();
  return DiskSpeed{.read = *read, .write = *write};
}

}  // namespace cf
