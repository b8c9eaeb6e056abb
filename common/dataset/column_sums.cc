#include "common/dataset/column_sums.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/cleanup/cleanup.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>
#include <xxhash.h>

#include "common/base/activity.h"
#include "common/base/status.h"
#include "common/dataset/layout.h"

namespace cf {
namespace {

// A chunk's eight bytes of checksum are some 22 characters of the manifest: 10 billion samples with
// times, 160 GB, have 3.5 MB of them.
constexpr std::uint32_t kChunkBytes = std::uint32_t{1} << 20;
// What is read into memory at once, whatever a manifest says.
constexpr std::uint32_t kChunkBytesMax = std::uint32_t{1} << 26;

void AddIds(const std::string& prefix, bool numeric, std::vector<std::string>& columns) {
  if (numeric) {
    columns.push_back(prefix + layout::kNumbers);
  } else {
    columns.push_back(prefix + layout::kTextOffsets);
    columns.push_back(prefix + layout::kTextBytes);
  }
}

/// The files of the digest, in its order.
std::vector<std::string> ColumnsOf(const DatasetManifest& manifest) {
  std::vector<std::string> columns = {layout::kUserOffsets, layout::kItems, layout::kRatings};
  if (manifest.has_timestamps()) columns.emplace_back(layout::kTimestamps);
  if (manifest.has_validation()) columns.emplace_back(layout::kValidation);
  AddIds(layout::kUserIds, manifest.numeric_user_ids(), columns);
  AddIds(layout::kItemIds, manifest.numeric_item_ids(), columns);
  if (manifest.has_titles()) {
    AddIds(layout::kTitles, false, columns);
    AddIds(layout::kGenres, false, columns);
  }
  return columns;
}

/// The others.
std::vector<std::string> OtherColumnsOf(const DatasetManifest& manifest) {
  std::vector<std::string> columns;
  for (const char* const ids : {layout::kUserIds, layout::kItemIds}) {
    columns.push_back(absl::StrCat(ids, layout::kOrder));
  }
  if (manifest.has_titles() && manifest.unrated_titles() > 0) {
    AddIds(layout::kUnratedIds, false, columns);
    AddIds(layout::kUnratedTitles, false, columns);
    AddIds(layout::kUnratedGenres, false, columns);
  }
  return columns;
}

/// A column, read rather than mapped: pages of a mapping would count as this process's memory.
///
/// Owner:   the call that reads.
/// Threads: one.
class ColumnReader {
 public:
  explicit ColumnReader(std::string path) : path_(std::move(path)) {}
  ColumnReader(const ColumnReader&) = delete;
  ColumnReader& operator=(const ColumnReader&) = delete;
  ~ColumnReader() {
    if (file_ >= 0) ::close(file_);
  }

  absl::Status Open() {
    file_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (file_ < 0) return ErrnoError(errno, path_);
    struct stat info = {};
    if (::fstat(file_, &info) != 0) return ErrnoError(errno, path_);
    size_ = static_cast<std::uint64_t>(info.st_size);
    return absl::OkStatus();
  }

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }

  /// Fills `buffer` from `at` on, up to the file's end; the bytes that there were.
  absl::StatusOr<std::size_t> Read(std::uint64_t at, std::vector<char>& buffer) const {
    std::size_t filled = 0;
    while (filled < buffer.size()) {
      const ssize_t got = ::pread(file_, buffer.data() + filled, buffer.size() - filled,
                                  static_cast<off_t>(at + filled));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return ErrnoError(errno, path_);
      if (got == 0) break;
      filled += static_cast<std::size_t>(got);
    }
    return filled;
  }

  void Drop(std::uint64_t at, std::uint64_t bytes) const {
    ::posix_fadvise(file_, static_cast<off_t>(at), static_cast<off_t>(bytes), POSIX_FADV_DONTNEED);
  }

 private:
  std::string path_;
  int file_ = -1;
  std::uint64_t size_ = 0;
};

struct FreeState {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

/// The digest, and for each column that is told of its chunks' checksums.
class Summing {
 public:
  Summing() : state_(XXH3_createState()), buffer_(kChunkBytes) {}

  absl::Status Begin() {
    if (state_ == nullptr) return absl::ResourceExhaustedError("no memory for a digest");
    XXH3_128bits_reset(state_.get());
    return absl::OkStatus();
  }

  /// `chunks`: null where only the digest is wanted.
  absl::Status Add(const std::string& folder, const std::string& column, bool in_digest,
                   ColumnChecksums* chunks) {
    ColumnReader reader(absl::StrCat(folder, "/", column));
    if (absl::Status opened = reader.Open(); !opened.ok()) return opened;
    const std::uint64_t size = reader.size();
    if (in_digest) {
      XXH3_128bits_update(state_.get(), column.c_str(), column.size() + 1);
      XXH3_128bits_update(state_.get(), &size, sizeof size);
    }
    if (chunks != nullptr) chunks->set_file(column);
    for (std::uint64_t at = 0;; at += kChunkBytes) {
      Activity::Tick();
      const absl::StatusOr<std::size_t> got = reader.Read(at, buffer_);
      if (!got.ok()) return got.status();
      if (*got == 0) return absl::OkStatus();
      if (in_digest) XXH3_128bits_update(state_.get(), buffer_.data(), *got);
      if (chunks != nullptr) chunks->add_chunks(XXH3_64bits(buffer_.data(), *got));
    }
  }

  std::string Digest() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_.get());
    return absl::StrFormat("%016x%016x", hash.high64, hash.low64);
  }

 private:
  std::unique_ptr<XXH3_state_t, FreeState> state_;
  std::vector<char> buffer_;
};

absl::Status CheckDigest(const std::string& folder, const DatasetManifest& manifest) {
  const absl::StatusOr<std::string> found = DigestOf(folder, manifest);
  if (!found.ok()) return found.status();
  if (*found == manifest.digest()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(folder, ": the columns' digest is ", *found,
                                          ", the manifest says ", manifest.digest()));
}

/// Whether the checksums are of the columns that the manifest says there are: one that lost a column
/// would be another data set.
absl::Status CheckNames(const std::string& folder, const DatasetManifest& manifest) {
  std::vector<std::string> columns = ColumnsOf(manifest);
  for (std::string& other : OtherColumnsOf(manifest)) columns.push_back(std::move(other));
  const std::uint32_t chunk = manifest.chunk_bytes();
  const bool same = std::ranges::equal(columns, manifest.checksums(), {}, {},
                                       [](const ColumnChecksums& one) { return one.file(); });
  if (same && chunk > 0 && chunk <= kChunkBytesMax) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(folder, "/", layout::kManifest,
                                          ": damaged: its checksums are not of its columns"));
}

/// Compares the chunks `first` to `last` - 1 of a column.
absl::Status CheckChunks(const ColumnReader& reader, const ColumnChecksums& sums,
                         std::uint64_t first, std::uint64_t last, std::vector<char>& buffer) {
  for (std::uint64_t k = first; k < last; ++k) {
    Activity::Tick();
    const std::uint64_t at = k * buffer.size();
    const absl::StatusOr<std::size_t> got = reader.Read(at, buffer);
    if (!got.ok()) return got.status();
    if (XXH3_64bits(buffer.data(), *got) == sums.chunks(static_cast<int>(k))) continue;
    return absl::DataLossError(absl::StrCat(reader.path(), ": damaged: its bytes ", at, " to ",
                                            at + *got - 1,
                                            " are not those that were written; import it again"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> DigestOf(const std::string& folder, const DatasetManifest& manifest) {
  Summing sums;
  absl::Status added = sums.Begin();
  for (const std::string& column : ColumnsOf(manifest)) {
    if (added.ok()) added = sums.Add(folder, column, /*in_digest=*/true, nullptr);
  }
  if (!added.ok()) return added;
  return sums.Digest();
}

absl::Status SumColumns(const std::string& folder, DatasetManifest& manifest) {
  Summing sums;
  absl::Status added = sums.Begin();
  manifest.set_chunk_bytes(kChunkBytes);
  manifest.clear_checksums();
  for (const std::string& column : ColumnsOf(manifest)) {
    if (added.ok()) added = sums.Add(folder, column, true, manifest.add_checksums());
  }
  for (const std::string& column : OtherColumnsOf(manifest)) {
    if (added.ok()) added = sums.Add(folder, column, false, manifest.add_checksums());
  }
  if (added.ok()) manifest.set_digest(sums.Digest());
  return added;
}

absl::Status CheckColumns(const std::string& folder, const DatasetManifest& manifest,
                          CheckShare share, bool keep_cached) {
  if (manifest.checksums().empty()) {
    return share.index == 0 ? CheckDigest(folder, manifest) : absl::OkStatus();
  }
  if (absl::Status named = CheckNames(folder, manifest); !named.ok()) return named;
  std::uint64_t all = 0;
  for (const ColumnChecksums& sums : manifest.checksums()) {
    all += static_cast<std::uint64_t>(sums.chunks_size());
  }
  const std::uint64_t first = all * share.index / share.count;
  const std::uint64_t last = all * (share.index + 1) / share.count;
  std::vector<char> buffer(manifest.chunk_bytes());
  std::uint64_t passed = 0;  // Chunks of the columns before.
  for (const ColumnChecksums& sums : manifest.checksums()) {
    ColumnReader reader(absl::StrCat(folder, "/", sums.file()));
    if (absl::Status opened = reader.Open(); !opened.ok()) return opened;
    const auto chunks = static_cast<std::uint64_t>(sums.chunks_size());
    if ((reader.size() + buffer.size() - 1) / buffer.size() != chunks) {
      return absl::DataLossError(absl::StrCat(reader.path(), ": damaged: it has ", reader.size(),
                                              " bytes, which are not as many as were written"));
    }
    const auto clamped = [&](std::uint64_t chunk) {
      return std::clamp(chunk, passed, passed + chunks) - passed;
    };
    absl::Status same = CheckChunks(reader, sums, clamped(first), clamped(last), buffer);
    if (!same.ok()) return same;
    if (!keep_cached) {
      reader.Drop(clamped(first) * buffer.size(), (clamped(last) - clamped(first)) * buffer.size());
    }
    passed += chunks;
  }
  return absl::OkStatus();
}

}  // namespace cf
