#include "common/base/scratch_folder.h"

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "common/base/status.h"

namespace cf {
namespace {

// File systems that the system's header does not name.
constexpr std::uint32_t kSmb2Magic = 0xfe534d42;
constexpr std::uint32_t kLustreMagic = 0x0bd00bd0;
constexpr std::uint32_t kGpfsMagic = 0x47504653;
constexpr std::uint32_t kBeegfsMagic = 0x19830326;

/// A locked file or folder; -1 with errno where it cannot be opened or another process has it.
int OpenLocked(const std::string& path, int flags, int how) {
  const int file = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) return -1;
  if (::flock(file, how) == 0) return file;
  const int error = errno;
  ::close(file);
  errno = error;
  return -1;
}

std::string LockOf(const std::string& folder) {
  return absl::StrCat(folder, "/lock");
}

/// Removes the folders that dead processes left. Requires: the directory is locked.
void RemoveUnlocked(const std::string& directory, const std::string& prefix) {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(directory, error)) {
    if (!absl::StartsWith(entry.path().filename().string(), prefix)) continue;
    const int lock = OpenLocked(LockOf(entry.path().string()), O_RDWR | O_CREAT, LOCK_EX | LOCK_NB);
    if (lock < 0) continue;
    std::error_code ignored;
    std::filesystem::remove_all(entry.path(), ignored);
    ::close(lock);
  }
}

}  // namespace

absl::StatusOr<ScratchFolder> ScratchFolder::Open(const std::string& directory,
                                                  const std::string& prefix) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return ErrnoError(error.value(), directory);
  // Under the lock of the directory nobody takes a folder for dead that is not locked yet.
  const int guard = OpenLocked(directory, O_RDONLY | O_DIRECTORY, LOCK_EX);
  if (guard < 0) return ErrnoError(errno, directory);
  RemoveUnlocked(directory, prefix);
  std::string path = absl::StrCat(directory, "/", prefix, "XXXXXX");
  if (::mkdtemp(path.data()) == nullptr) {
    const int why = errno;
    ::close(guard);
    return ErrnoError(why, directory);
  }
  const int lock = OpenLocked(LockOf(path), O_RDWR | O_CREAT, LOCK_EX | LOCK_NB);
  const int why = errno;
  ::close(guard);
  if (lock < 0) return ErrnoError(why, path);
  return ScratchFolder(std::move(path), lock);
}

void ScratchFolder::RemoveDead(const std::string& directory, const std::string& prefix) {
  // Whoever has the lock does the same.
  const int guard = OpenLocked(directory, O_RDONLY | O_DIRECTORY, LOCK_EX | LOCK_NB);
  if (guard < 0) return;
  RemoveUnlocked(directory, prefix);
  ::close(guard);
}

ScratchFolder::ScratchFolder(std::string path, int lock) : path_(std::move(path)), lock_(lock) {
}

ScratchFolder::ScratchFolder(ScratchFolder&& other) noexcept
    : path_(std::exchange(other.path_, {})), lock_(std::exchange(other.lock_, -1)) {
}

ScratchFolder& ScratchFolder::operator=(ScratchFolder&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  return *this;
}

std::string DoubtAbout(const std::string& folder) {
  struct statfs system = {};
  if (::statfs(folder.c_str(), &system) != 0) return "";
  switch (static_cast<std::uint32_t>(system.f_type)) {
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
      return "tmpfs, which is memory";
    case NFS_SUPER_MAGIC:
    case kSmb2Magic:
    case CIFS_SUPER_MAGIC:
    case CEPH_SUPER_MAGIC:
    case kLustreMagic:
    case kGpfsMagic:
    case kBeegfsMagic:
      return "a file system of the network, where every round reads and writes";
    default:
      return "";
  }
}

ScratchFolder::~ScratchFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace cf
