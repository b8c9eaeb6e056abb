#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/base/check.h"
#include "common/base/files.h"

namespace cf::fuzz {

/// A folder in memory for readers that take paths.
///
/// Owner:   a target, for the whole process.
/// Threads: one.
/// Bounds:  what is put there; it is gone when the process ends in good order.
class MemoryFolder {
 public:
  MemoryFolder() {
    std::string name =
        std::filesystem::exists("/dev/shm") ? "/dev/shm/cf_fuzz_XXXXXX" : "/tmp/cf_fuzz_XXXXXX";
    Check(::mkdtemp(name.data()) != nullptr, "there is a place for temporary files");
    path_ = name;
  }
  MemoryFolder(const MemoryFolder&) = delete;
  MemoryFolder& operator=(const MemoryFolder&) = delete;
  ~MemoryFolder() { std::filesystem::remove_all(path_); }

  const std::string& path() const { return path_; }

  /// Makes the file `name` hold `contents`; its path.
  std::string Put(const std::string& name, std::string_view contents) const {
    const std::string path = path_ + "/" + name;
    Check(ReplaceFile(path, contents).ok(), "there is room for what is put there");
    return path;
  }

 private:
  std::string path_;
};

}  // namespace cf::fuzz
