#include "common/base/temporary_files.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <sys/types.h>
#include <system_error>
#include <unistd.h>

#include <absl/strings/match.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

namespace cf {

int OpenUnnamed(const std::string& folder, unsigned int mode) {
  return ::open(folder.c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, mode);
}

int NameFile(int file, const std::string& path) {
  const std::string open = absl::StrCat("/proc/self/fd/", file);
  return ::linkat(AT_FDCWD, open.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0
                                                                                          : errno;
}

void RemoveLeftBeside(const std::string& path, const std::string& before,
                      const std::string& behind) {
  constexpr std::time_t kSeconds = 600;
  const std::filesystem::path place = path;
  const std::string name = place.filename().string() + before;
  const std::filesystem::path parent = place.parent_path();
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator(parent.empty() ? "." : parent, ignored)) {
    const std::string found = entry.path().filename().string();
    if (!absl::StartsWith(found, name) || !absl::EndsWith(found, behind)) continue;
    pid_t pid = 0;
    const std::size_t digits = found.size() - std::min(found.size(), name.size() + behind.size());
    if (!absl::SimpleAtoi(found.substr(name.size(), digits), &pid) || pid <= 0) continue;
    struct stat info = {};
    const bool is_old = ::stat(entry.path().c_str(), &info) == 0 &&
                        std::time(nullptr) - info.st_mtim.tv_sec >= kSeconds;
    if (is_old && ::kill(pid, 0) != 0 && errno == ESRCH) {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
}

}  // namespace cf
