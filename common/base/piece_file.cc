#include "common/base/piece_file.h"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>
#include <utility>

#include <absl/strings/str_cat.h>
#include <xxhash.h>

#include "common/base/check.h"
#include "common/base/status.h"

namespace cf {
namespace {

// What one piece for each section takes at most, where it can.
constexpr std::size_t kPiecesBytes = std::size_t{16} << 20;
constexpr std::size_t kUnitsMax = 5;

/// The system's calls may do less than they are asked for.
absl::Status WriteAll(int file, std::span<const std::byte> bytes, std::uint64_t at,
                      const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(errno, path);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
    at += static_cast<std::uint64_t>(written);
  }
  return absl::OkStatus();
}

absl::Status ReadAll(int file, std::span<std::byte> bytes, std::uint64_t at,
                     const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t got = ::pread(file, bytes.data(), bytes.size(), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(errno, path);
    if (got == 0) return absl::DataLossError(absl::StrCat(path, ": is shorter than it was"));
    bytes = bytes.subspan(static_cast<std::size_t>(got));
    at += static_cast<std::uint64_t>(got);
  }
  return absl::OkStatus();
}

int OpenNew(const std::string& path, PieceFile::Access access) {
  constexpr int kFlags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
  if (access == PieceFile::Access::kDirect) {
    const int file = ::open(path.c_str(), kFlags | O_DIRECT, 0600);
    if (file >= 0 || errno != EINVAL) return file;
    // The file may be there all the same.
    ::unlink(path.c_str());
  }
  return ::open(path.c_str(), kFlags, 0600);
}

}  // namespace

std::size_t PieceFile::PieceBytesFor(std::size_t sections) {
  return std::clamp<std::size_t>(kPiecesBytes / std::max<std::size_t>(1, sections) / kPieceUnit, 1,
                                 kUnitsMax) *
         kPieceUnit;
}

absl::StatusOr<std::unique_ptr<PieceFile>> PieceFile::Create(
    const std::string& path, std::span<const std::uint64_t> section_bytes, std::size_t piece_bytes,
    Access access) {
  Check(piece_bytes % kPieceUnit == 0, "pieces are whole pages and whole samples");
  const int file = OpenNew(path, access);
  if (file < 0) return ErrnoError(errno, path);
  return std::unique_ptr<PieceFile>(new PieceFile(path, file, section_bytes, piece_bytes));
}

PieceFile::PieceFile(std::string path, int file, std::span<const std::uint64_t> section_bytes,
                     std::size_t piece_bytes)
    : path_(std::move(path)), file_(file), piece_bytes_(piece_bytes) {
  std::uint64_t begin = 0;
  std::size_t pieces = 0;
  for (const std::uint64_t bytes : section_bytes) {
    sections_.push_back({.begin = begin, .bytes = bytes, .first_piece = pieces});
    begin += InWholePages(bytes);
    pieces += (bytes + piece_bytes_ - 1) / piece_bytes_;
  }
  checksums_.resize(pieces);
}

PieceFile::~PieceFile() {
  ::close(file_);
  ::unlink(path_.c_str());
}

template <class Byte, class Visit>
void PieceFile::ForPieces(const Section& section, std::uint64_t at, std::span<Byte> bytes,
                          const Visit& visit) const {
  Check(at % piece_bytes_ == 0 &&
            (bytes.size() % piece_bytes_ == 0 || at + bytes.size() == section.bytes),
        "whole pieces are written and read");
  for (std::size_t piece = section.first_piece + at / piece_bytes_; !bytes.empty(); ++piece) {
    const std::span<Byte> of_piece = bytes.first(std::min(bytes.size(), piece_bytes_));
    visit(piece, XXH3_64bits(of_piece.data(), of_piece.size()));
    bytes = bytes.subspan(of_piece.size());
  }
}

absl::Status PieceFile::Write(std::size_t section, std::uint64_t at,
                              std::span<const std::byte> bytes) {
  const Section& of = sections_[section];
  ForPieces(of, at, bytes,
            [this](std::size_t piece, std::uint64_t checksum) { checksums_[piece] = checksum; });
  return WriteAll(file_, bytes, of.begin + at, path_);
}

absl::Status PieceFile::Read(std::size_t section, std::uint64_t at,
                             std::span<std::byte> bytes) const {
  const Section& of = sections_[section];
  if (absl::Status read = ReadAll(file_, bytes, of.begin + at, path_); !read.ok()) return read;
  ::posix_fadvise(file_, static_cast<off_t>(of.begin + at), static_cast<off_t>(bytes.size()),
                  POSIX_FADV_DONTNEED);
  bool as_written = true;
  ForPieces(of, at, bytes, [&](std::size_t piece, std::uint64_t checksum) {
    as_written = as_written && checksums_[piece] == checksum;
  });
  if (as_written) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path_, ": holds other bytes than were written"));
}

void PieceFile::Announce(std::size_t section, std::uint64_t at, std::uint64_t bytes) const {
  ::posix_fadvise(file_, static_cast<off_t>(sections_[section].begin + at),
                  static_cast<off_t>(bytes), POSIX_FADV_WILLNEED);
}

}  // namespace cf
