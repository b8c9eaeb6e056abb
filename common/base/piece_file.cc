#include "common/base/piece_file.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>
#include <xxhash.h>

#include "common/base/check.h"

namespace cf {
namespace {

// What one piece for each section takes at most, where it can.
constexpr std::size_t kPiecesBytes = std::size_t{16} << 20;
constexpr std::size_t kUnitsMax = 5;

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
  absl::StatusOr<std::unique_ptr<ScratchFile>> file = ScratchFile::Create(path, access);
  if (!file.ok()) return file.status();
  return std::unique_ptr<PieceFile>(new PieceFile(*std::move(file), section_bytes, piece_bytes));
}

PieceFile::PieceFile(std::unique_ptr<ScratchFile> file,
                     std::span<const std::uint64_t> section_bytes, std::size_t piece_bytes)
    : file_(std::move(file)), piece_bytes_(piece_bytes) {
  std::uint64_t begin = 0;
  std::size_t pieces = 0;
  for (const std::uint64_t bytes : section_bytes) {
    sections_.push_back({.begin = begin, .bytes = bytes, .first_piece = pieces});
    begin += InWholePages(bytes);
    pieces += (bytes + piece_bytes_ - 1) / piece_bytes_;
  }
  checksums_.resize(pieces);
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
  return file_->Write(of.begin + at, bytes);
}

absl::Status PieceFile::Read(std::size_t section, std::uint64_t at,
                             std::span<std::byte> bytes) const {
  const Section& of = sections_[section];
  if (absl::Status read = file_->Read(of.begin + at, bytes); !read.ok()) return read;
  file_->Forget(of.begin + at, bytes.size());
  bool as_written = true;
  ForPieces(of, at, bytes, [&](std::size_t piece, std::uint64_t checksum) {
    as_written = as_written && checksums_[piece] == checksum;
  });
  if (as_written) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(file_->path(), ": holds other bytes than were written"));
}

void PieceFile::Announce(std::size_t section, std::uint64_t at, std::uint64_t bytes) const {
  file_->Announce(sections_[section].begin + at, bytes);
}

}  // namespace cf
