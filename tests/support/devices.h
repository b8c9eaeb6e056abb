#pragma once

#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace cf {

/// The minor numbers of the memory devices (major 1) that tests write to.
inline constexpr unsigned kNullDevice = 3;
inline constexpr unsigned kFullDevice = 7;

/// Makes a node of a memory device at `path` that can be written to. Not so where only root may make
/// one, and on a file system whose nodes lead nowhere (mount option nodev): then nothing is there.
inline bool MakeDevice(const std::string& path, unsigned minor_number) {
  if (::mknod(path.c_str(), S_IFCHR | 0666, makedev(1, minor_number)) != 0) return false;
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file >= 0) {
    ::close(file);
    return true;
  }
  ::unlink(path.c_str());
  return false;
}

}  // namespace cf
