#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/file_calls.h"

namespace cf {

/// What a disk does with what nobody asked it to keep, when the machine crashes. It may do any of these.
enum class DiskLoss {
  kAll,       ///< Everything goes: names, and what was written since the last sync.
  kContents,  ///< Names stay, as most file systems have it; files that were not synced are empty.
  kSome,      ///< Of each name and file either, as a number draws.
};

/// A folder with its subfolders as a disk keeps it, in memory: what FileCalls noted is done to it, and
/// at any time it can crash. A file is kept as it was when it was last synced, a name from when its
/// folder was.
///
/// Owner:   a test.
/// Threads: one.
/// Bounds:  every file's contents, twice.
class ForgetfulDisk {
 public:
  /// All that is in `folder` now is kept.
  explicit ForgetfulDisk(const std::string& folder);

  /// Does the same; calls on what is elsewhere are none of its business.
  void Do(const FileCall& call);

  /// Makes `folder`, which must not be there, hold what is left after a crash.
  void CrashInto(const std::string& folder, DiskLoss loss, std::uint64_t draw = 0) const;

 private:
  /// A file or a link, whatever it is called.
  struct File {
    std::optional<std::string> kept;  ///< Its contents, or where it leads; nothing was kept yet.
    bool is_link = false;
  };
  using Names = std::map<std::string, std::shared_ptr<File>>;  // By path within the folder.

  std::optional<std::string> Inside(const std::string& path) const;

  std::string root_;
  Names
      unnamed_;  // Files that have been synced before their first name, by what the kernel calls them.
  Names names_;  // As the living system has them,
  Names kept_;   // and as the disk has.
};

}  // namespace cf
