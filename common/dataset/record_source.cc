#include "common/dataset/record_source.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "common/dataset/file_kind.h"

namespace cf {
namespace {

/// Enough for its own cost to vanish; few enough bytes to stay in the last-level cache.
constexpr std::size_t kPieceBytes = 2 << 20;
constexpr std::size_t kExtensionBytes = 1 << 16;
/// What detection looks at.
constexpr std::size_t kSampleBytes = 1 << 18;

}  // namespace

RecordSource::~RecordSource() {
  if (owned_) ::close(file_);
}

absl::Status RecordSource::Open(const std::string& path) {
  const bool standard_input = path == "-";
  name_ = standard_input ? "standard input" : path;
  file_ = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) return ErrnoError(errno, path);
  owned_ = !standard_input;
  struct stat info = {};
  if (::fstat(file_, &info) != 0) return ErrnoError(errno, name_);
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat(name_, ": a folder, expected a file"));
  }
  if (S_ISREG(info.st_mode)) size_ = static_cast<std::uint64_t>(info.st_size);
  std::size_t used = 0;
  absl::Status read = Extend(kSampleBytes, &begun_, &used);
  if (!read.ok()) return read;
  // A line that is longer than the sample still has a header.
  if (!at_end_ && std::find(begun_.begin(), begun_.begin() + static_cast<std::ptrdiff_t>(used),
                            '\n') == begun_.begin() + static_cast<std::ptrdiff_t>(used)) {
    read = Extend(kRecordBytesMax, &begun_, &used);
    if (!read.ok()) return read;
  }
  begun_.resize(used);
  if (used == 0) return absl::InvalidArgumentError(name_ + ":1: the file is empty");
  const std::string other = NotATable(sample(), path);
  if (!other.empty()) return absl::InvalidArgumentError(absl::StrCat(name_, ": ", other));
  return absl::OkStatus();
}

void RecordSource::Begin(std::size_t bytes, const RecordSyntax& syntax) {
  begun_.erase(begun_.begin(), begun_.begin() + static_cast<std::ptrdiff_t>(bytes));
  syntax_ = syntax;
}

absl::Status RecordSource::Extend(std::size_t bytes, std::vector<char>* buffer, std::size_t* used) {
  buffer->resize(std::max(buffer->size(), *used + bytes + kPadding));
  for (const std::size_t wanted = *used + bytes; *used < wanted && !at_end_;) {
    const ssize_t more = ::read(file_, buffer->data() + *used, wanted - *used);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return ErrnoError(errno, name_);
    at_end_ = more == 0;
    *used += static_cast<std::size_t>(more);
    bytes_read_ += static_cast<std::size_t>(more);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<RecordSource::Piece>> RecordSource::Next(std::vector<char>* buffer) {
  const std::scoped_lock lock(mutex_);
  if (stopped_) return std::nullopt;
  std::size_t used = begun_.size();
  buffer->resize(std::max(buffer->size(), used + kPadding));
  std::copy(begun_.begin(), begun_.end(), buffer->begin());
  Piece piece = {.index = next_++, .text = {}};
  std::size_t bytes = 0;
  bool overlong = false;
  for (std::size_t wanted = kPieceBytes;; wanted = kExtensionBytes) {
    absl::Status read = Extend(wanted, buffer, &used);
    if (!read.ok()) return read;
    bytes = RecordsBytes({buffer->data(), used}, syntax_, at_end_);
    if (bytes > 0 || at_end_) break;
    if (used > kRecordBytesMax) {
      bytes = used;
      overlong = true;
      break;
    }
  }
  begun_.assign(buffer->begin() + static_cast<std::ptrdiff_t>(bytes),
                buffer->begin() + static_cast<std::ptrdiff_t>(used));
  stopped_ = overlong || (at_end_ && begun_.empty());
  if (bytes == 0) return std::nullopt;
  std::fill_n(buffer->begin() + static_cast<std::ptrdiff_t>(bytes), kPadding, '\0');
  piece.text = {buffer->data(), bytes};
  return piece;
}

void RecordSource::Stop() {
  const std::scoped_lock lock(mutex_);
  stopped_ = true;
}

std::uint64_t RecordSource::bytes_read() {
  const std::scoped_lock lock(mutex_);
  return bytes_read_;
}

}  // namespace cf
