#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fcntl.h>
#include <span>
#include <string>
#include <unistd.h>
#include <utility>

#include <absl/status/status.h>

#include "common/base/status.h"

namespace cf {

/// A column's file while it is being written. Owner: one call of Finish. Threads: Write may be
/// called from several at different places.
class ColumnFile {
 public:
  explicit ColumnFile(std::string path) : path_(std::move(path)) {}
  ColumnFile(const ColumnFile&) = delete;
  ColumnFile& operator=(const ColumnFile&) = delete;
  ~ColumnFile() {
    if (file_ >= 0) ::close(file_);
  }

  absl::Status Open() {
    file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    return file_ >= 0 ? absl::OkStatus() : ErrnoError(errno, path_);
  }

  template <class T>
  absl::Status WriteAt(std::uint64_t row, std::span<const T> values) {
    std::span<const std::byte> bytes = std::as_bytes(values);
    auto place = static_cast<off_t>(row * sizeof(T));
    while (!bytes.empty()) {
      const ssize_t written = ::pwrite(file_, bytes.data(), bytes.size(), place);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return ErrnoError(errno, path_);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      place += written;
    }
    return absl::OkStatus();
  }

  absl::Status Sync() { return ::fsync(file_) == 0 ? absl::OkStatus() : ErrnoError(errno, path_); }

 private:
  std::string path_;
  int file_ = -1;
};

template <class T>
absl::Status WriteColumn(const std::string& path, std::span<const T> values) {
  ColumnFile file(path);
  absl::Status status = file.Open();
  if (status.ok()) status = file.WriteAt(0, values);
  if (status.ok()) status = file.Sync();
  return status;
}

}  // namespace cf
