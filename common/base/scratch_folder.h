#pragma once

#include <string>

#include <absl/status/statusor.h>

namespace cf {

/// A folder of its own for what a process needs on disk only while it lives. It is removed with this
/// object; what a process leaves that dies before that, the next one removes that opens a folder in
/// the same directory, or looks after it (RemoveDead).
///
/// Owner:      whoever keeps files in it.
/// Threads:    one.
/// Invariants: a folder whose process lives is locked, and the lock dies with the process.
class ScratchFolder {
 public:
  /// Makes `directory` where it is not there. Names of folders begin with `prefix`, which says what they
  /// are for: only such are removed. Errors name the path.
  static absl::StatusOr<ScratchFolder> Open(const std::string& directory,
                                            const std::string& prefix = "cf-rows-");
  /// Removes what dead processes have left in `directory`, which need not be there, and nothing of those
  /// that live, on any host that shares it. What cannot be removed only takes room.
  static void RemoveDead(const std::string& directory, const std::string& prefix = "cf-rows-");

  ScratchFolder(ScratchFolder&& other) noexcept;
  ScratchFolder& operator=(ScratchFolder&& other) noexcept;
  ~ScratchFolder();

  const std::string& path() const { return path_; }

 private:
  ScratchFolder(std::string path, int lock);

  std::string path_;  // Empty in one that was moved from.
  int lock_;
};

/// What is to be said of a folder for scratch that is not on a disk of this host: "tmpfs, which is
/// memory"; empty where nothing is, or nothing is known.
std::string DoubtAbout(const std::string& folder);

}  // namespace cf
