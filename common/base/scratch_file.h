#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// A file that is of no use once its process is gone: it is removed with this object, and never synced.
///
/// Owner:   whoever has something on disk.
/// Threads: calls for different bytes may run at once.
/// Bounds:  none in memory of its own.
class ScratchFile {
 public:
  static constexpr std::size_t kPageBytes = 4096;
  enum class Access : std::uint8_t {
    kCached,
    /// Past the system's cache, on a file system that can (tmpfs cannot). Requires: what is read and
    /// written are whole pages of the file, and its memory begins with a page (Pages).
    kDirect,
  };

  /// Errors here and below name the path; ResourceExhausted: the disk is full.
  static absl::StatusOr<std::unique_ptr<ScratchFile>> Create(const std::string& path,
                                                             Access access);
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  const std::string& path() const { return path_; }

  /// Makes the file `bytes` long, and has the disk keep room for them; not where that room would be
  /// memory (no direct access), or the file system cannot.
  absl::Status Reserve(std::uint64_t bytes);

  absl::Status Write(std::uint64_t at, std::span<const std::byte> bytes);
  /// DataLoss: the file is shorter.
  absl::Status Read(std::uint64_t at, std::span<std::byte> bytes) const;

  /// These bytes are read soon, or not again. Hints.
  void Announce(std::uint64_t at, std::uint64_t bytes) const;
  void Forget(std::uint64_t at, std::uint64_t bytes) const;

 private:
  ScratchFile(std::string path, int file, bool direct);

  const std::string path_;
  const int file_;
  const bool direct_;
};

/// Memory that begins with a page, as direct access takes it.
struct FreePages {
  void operator()(std::byte* pages) const {
    ::operator delete (pages, std::align_val_t{ScratchFile::kPageBytes});
  }
};
using Pages = std::unique_ptr<std::byte[], FreePages>;

/// Of at least so many bytes; they are yet to be set.
inline Pages MakePages(std::size_t bytes) {
  return Pages(static_cast<std::byte*>(
      ::operator new (std::max<std::size_t>(1, bytes), std::align_val_t{ScratchFile::kPageBytes})));
}

/// `bytes` and what is missing to whole pages.
constexpr std::uint64_t InWholePages(std::uint64_t bytes) {
  return (bytes + ScratchFile::kPageBytes - 1) / ScratchFile::kPageBytes * ScratchFile::kPageBytes;
}

}  // namespace cf
