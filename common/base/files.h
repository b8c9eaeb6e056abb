#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace cf {

/// The whole of a (small) file. NotFound, PermissionDenied or Internal name the path.
absl::StatusOr<std::string> ReadFile(const std::string& path);

/// The same of a file that a program of ours wrote: InvalidArgument where something else has its name,
/// a folder or a pipe, which nobody waits for.
absl::StatusOr<std::string> ReadOwnFile(const std::string& path);

/// Whether something is there that is no file, nor a link to one.
bool IsInPlaceOfAFile(const std::string& path);

/// Gives whatever is there the first free name of PATH.damaged, PATH.damaged-2 and so on; returns it.
absl::StatusOr<std::string> MoveAside(const std::string& path);

/// Makes `path` hold `contents`, or leaves what was there: writes a temporary file beside it,
/// syncs, renames, syncs the folder.
absl::Status WriteFileAtomically(const std::string& path, std::string_view contents);

/// Makes `path` hold `contents` for whoever opens it from now on, never half of them; nothing is
/// synced, so after a crash of the machine it may be any older one, or empty.
absl::Status ReplaceFile(const std::string& path, std::string_view contents);

/// Flushes a file's, or a folder's, contents to the disk.
absl::Status SyncPath(const std::string& path);

/// A file mapped for reading. Owner: whoever opened it. Threads: any. The bytes hold as long as the
/// object.
class MappedFile {
 public:
  MappedFile() = default;
  static absl::StatusOr<MappedFile> Open(const std::string& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  /// Leaves the first bytes out of all that follows: a header before numbers. Requires: there are so
  /// many.
  void DropFront(std::size_t bytes) {
    data_ += bytes;
    size_ -= bytes;
    front_ += bytes;
  }

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  /// Gives the pages of bytes `first` to `last` - 1 back to the system, which reads them again when
  /// they are looked at.
  void GiveBack(std::size_t first, std::size_t last) const;

  /// The bytes as numbers of type T. Requires: their size is a multiple of sizeof(T), and so is
  /// what was dropped.
  template <class T>
  std::span<const T> As() const {
    return {reinterpret_cast<const T*>(data_), size_ / sizeof(T)};
  }

 private:
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t front_ = 0;  // Bytes of the file before `data_`.
};

}  // namespace cf
