#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cf {

/// A call that decides what a disk keeps when the power fails. Paths are absolute, without links.
struct FileCall {
  enum class Kind { kCreate, kLink, kSync, kRename, kRemove, kName };
  Kind kind{};
  /// What is made, synced or removed; of a rename what it was, and of a file that gets its first name
  /// what the kernel called it.
  std::string path;
  std::string
      to;  ///< Of a rename, or a name, what it is; of a symbolic link where it leads, as written.
  std::uint64_t bytes = 0;    ///< Of a sync: the size of the file when it was asked for,
  std::string contents = {};  ///< and what was in it; empty for a folder.
  bool operator==(const FileCall&) const = default;
};

/// Notes the calls of this process from the object's making to its end. A program that links this
/// has an open (of files that are made), symlink, fsync, fdatasync, rename, linkat and unlink of its
/// own, which note the call and make it; RocksDB, a shared library, calls these, too.
///
/// Owner:   a test; one object at a time.
/// Threads: calls are noted from any.
class FileCalls {
 public:
  FileCalls();
  ~FileCalls();
  FileCalls(const FileCalls&) = delete;
  FileCalls& operator=(const FileCalls&) = delete;

  /// Those until now, in their order.
  std::vector<FileCall> calls() const;
};

/// Why a crash of the machine could lose a byte of `path`, a file or a folder of files that was
/// written under another name and renamed; empty where it cannot: every file was synced after its
/// last byte, then a folder that was renamed, all before the rename, and the folder around it
/// afterwards.
std::string WhyNotDurable(const std::vector<FileCall>& calls, const std::string& path);

}  // namespace cf
