#include "common/base/output_file.h"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "common/base/files.h"
#include "common/base/status.h"
#include "common/base/temporary_files.h"

namespace cf {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kBufferBytes = std::size_t{1} << 20;
// As many links as the kernel follows.
constexpr int kLinksMax = 40;
// Temporary names that other processes of the same number, on other hosts, may have left behind.
constexpr int kNamesMax = 1000;

/// What a name leads to.
struct Destination {
  fs::path path;                  ///< The last one, which is no link.
  std::optional<int> descriptor;  ///< Of this process, where it is one.
};

fs::path ParentOf(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

// Follows links one by one, because /dev/stdout is one to a descriptor of this process: opened by
// its name, a file behind it would be another opening, which begins at its first byte.
absl::StatusOr<Destination> Follow(const std::string& path) {
  fs::path at = path;
  const std::string own = absl::StrCat("/proc/", ::getpid(), "/fd");
  for (int links = 0; links < kLinksMax; ++links) {
    std::error_code error;
    const fs::path folder = fs::canonical(ParentOf(at), error);
    if (error == std::errc::no_such_file_or_directory) {
      return absl::NotFoundError(
          absl::StrCat(path, ": there is no folder ", ParentOf(at).string()));
    }
    if (error) return ErrnoError(error.value(), path);
    int descriptor = 0;
    if (folder == own && absl::SimpleAtoi(at.filename().string(), &descriptor)) {
      return Destination{.path = at, .descriptor = descriptor};
    }
    if (!fs::is_symlink(fs::symlink_status(at, error))) {
      return Destination{.path = at, .descriptor = {}};
    }
    const fs::path next = fs::read_symlink(at, error);
    if (error) return ErrnoError(error.value(), path);
    at = next.is_absolute() ? next : folder / next;
  }
  return ErrnoError(ELOOP, path);
}

bool WriteWhole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path, OutputOptions options) {
  OutputFile file(path);
  file.way_out_ = options.way_out;
  if (absl::Status opened = file.Open(options); !opened.ok()) return opened;
  return file;
}

absl::Status OutputFile::Open(const OutputOptions& options) {
  if (path_.empty()) return absl::InvalidArgumentError("\"\": expected the name of a file");
  const absl::StatusOr<Destination> destination = Follow(path_);
  if (!destination.ok()) return destination.status();
  if (destination->descriptor.has_value()) return OpenDescriptor(*destination->descriptor);
  target_ = destination->path.string();

  struct stat there = {};
  if (::stat(target_.c_str(), &there) != 0) {
    if (errno != ENOENT) return ErrnoError(errno, path_);
    return OpenBeside(nullptr);
  }
  if (S_ISDIR(there.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(path_, " is a folder; expected a file"));
  }
  if (S_ISBLK(there.st_mode) && !options.overwrite) return Refusal("is a disk");
  if (!S_ISREG(there.st_mode)) return OpenInPlace(O_NOCTTY);
  // An empty file, as mktemp makes it, has nothing to lose.
  if (there.st_size > 0 && !options.overwrite) return Refusal("is there already");
  plain_ = true;
  replace_ = true;
  truncate_ = true;
  // Before the work is done for it: a file that says it is read-only stays as it is.
  if (::access(target_.c_str(), W_OK) != 0) return ErrnoError(errno, path_);
  if (there.st_nlink > 1) return OpenInPlace(0);
  absl::Status beside = OpenBeside(&there);
  return absl::IsPermissionDenied(beside) ? OpenInPlace(0) : beside;
}

absl::Status OutputFile::Refusal(const std::string& what) const {
  return absl::AlreadyExistsError(absl::StrCat(path_, " ", what, "; ", way_out_));
}

absl::Status OutputFile::OpenDescriptor(int descriptor) {
  // What this process has said there so far comes first.
  if (descriptor == STDOUT_FILENO) std::fflush(stdout);
  file_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
  if (file_ >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(path_, ": nothing is open there"));
}

absl::Status OutputFile::OpenInPlace(int flags) {
  file_ = ::open(target_.c_str(), O_WRONLY | O_CLOEXEC | flags);
  return file_ >= 0 ? absl::OkStatus() : ErrnoError(errno, path_);
}

// Short, and not made of the file's own name, which may be as long as a name can be.
std::string OutputFile::NextName(const std::string& folder) {
  static std::atomic<std::uint64_t> number = 0;
  return absl::StrCat(folder, "/.cf-", ::getpid(), "-", ++number, ".tmp");
}

absl::Status OutputFile::OpenBeside(const struct stat* replaced) {
  const std::string folder = ParentOf(target_).string();
  temporary_ = NextName(folder);
  file_ = OpenUnnamed(folder, 0666);
  unnamed_ = file_ >= 0;
  for (int tries = 1; tries < kNamesMax && file_ < 0; ++tries) {
    file_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file_ >= 0 || errno != EEXIST) break;
    temporary_ = NextName(folder);
  }
  if (file_ < 0) {
    temporary_.clear();
    return ErrnoError(errno, path_);
  }
  plain_ = true;
  if (replaced == nullptr) return absl::OkStatus();
  struct stat made = {};
  const bool same_owner = ::fstat(file_, &made) == 0 && made.st_uid == replaced->st_uid &&
                          made.st_gid == replaced->st_gid;
  // In this order: a change of the owner takes some bits of the mode away.
  if ((same_owner || ::fchown(file_, replaced->st_uid, replaced->st_gid) == 0) &&
      ::fchmod(file_, replaced->st_mode & 07777) == 0) {
    return absl::OkStatus();
  }
  // Another user's, which this one may write to: only in place does it stay that user's.
  ::close(std::exchange(file_, -1));
  if (!std::exchange(unnamed_, false)) ::unlink(temporary_.c_str());
  temporary_.clear();
  return OpenInPlace(0);
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : way_out_(std::move(other.way_out_)),
      path_(std::move(other.path_)),
      target_(std::move(other.target_)),
      temporary_(std::exchange(other.temporary_, {})),
      unnamed_(std::exchange(other.unnamed_, false)),
      buffer_(std::move(other.buffer_)),
      file_(std::exchange(other.file_, -1)),
      error_(other.error_),
      plain_(other.plain_),
      replace_(other.replace_),
      truncate_(other.truncate_) {
}

OutputFile& OutputFile::operator=(OutputFile&& other) noexcept {
  std::swap(way_out_, other.way_out_);
  std::swap(path_, other.path_);
  std::swap(target_, other.target_);
  std::swap(temporary_, other.temporary_);
  std::swap(unnamed_, other.unnamed_);
  std::swap(buffer_, other.buffer_);
  std::swap(file_, other.file_);
  std::swap(error_, other.error_);
  std::swap(plain_, other.plain_);
  std::swap(replace_, other.replace_);
  std::swap(truncate_, other.truncate_);
  return *this;
}

OutputFile::~OutputFile() {
  if (file_ >= 0) ::close(file_);
  if (!temporary_.empty() && !unnamed_) ::unlink(temporary_.c_str());
}

void OutputFile::Write(const void* bytes, std::size_t size) {
  if (size == 0 || error_ != 0) return;
  buffer_.append(static_cast<const char*>(bytes), size);
  if (buffer_.size() >= kBufferBytes) Flush();
}

void OutputFile::Flush() {
  if (error_ != 0) return;
  if (std::exchange(truncate_, false) && temporary_.empty() && ::ftruncate(file_, 0) != 0) {
    error_ = errno;
    return;
  }
  if (!WriteWhole(file_, buffer_)) error_ = errno;
  buffer_.clear();
}

absl::Status OutputFile::status() const {
  return error_ == 0 ? absl::OkStatus() : ErrnoError(error_, path_);
}

void OutputFile::NameTemporary() {
  if (!unnamed_ || error_ != 0) return;
  const std::string folder = ParentOf(target_).string();
  error_ = NameFile(file_, temporary_);
  for (int tries = 1; tries < kNamesMax && error_ == EEXIST; ++tries) {
    temporary_ = NextName(folder);
    error_ = NameFile(file_, temporary_);
  }
  unnamed_ = error_ != 0;
}

absl::Status OutputFile::Finish() {
  if (file_ < 0) return status();
  Flush();
  if (error_ == 0 && plain_ && ::fsync(file_) != 0) error_ = errno;
  NameTemporary();
  // A file server may say only now that there was no room.
  if (::close(std::exchange(file_, -1)) != 0 && error_ == 0) error_ = errno;
  return status();
}

absl::Status OutputFile::Close() {
  if (absl::Status finished = Finish(); !finished.ok()) return finished;
  if (temporary_.empty()) return absl::OkStatus();
  struct stat there = {};
  if (!replace_ && ::lstat(target_.c_str(), &there) == 0) {
    return Refusal("has been made by somebody else in the meantime");
  }
  if (std::rename(temporary_.c_str(), target_.c_str()) != 0) return ErrnoError(errno, path_);
  temporary_.clear();
  return SyncPath(ParentOf(target_).string());
}

absl::Status WriteOutput(const std::string& path, std::string_view contents,
                         OutputOptions options) {
  absl::StatusOr<OutputFile> file = OutputFile::Create(path, options);
  if (!file.ok()) return file.status();
  file->Write(contents);
  return file->Close();
}

}  // namespace cf
