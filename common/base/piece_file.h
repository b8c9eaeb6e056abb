#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/scratch_file.h"

namespace cf {

/// A file of scratch (ScratchFile): sections of known sizes, each of which is written and read in
/// pieces, which have checksums.
///
/// Nothing of it is read again soon, so it passes by the system's cache, or the system is told to drop
/// what has been read: a control group counts the pages of files, too.
///
/// Owner:      whoever has rows or samples on disk.
/// Threads:    calls for different pieces may run at once.
/// Bounds:     8 bytes a piece in memory.
/// Invariants: what a piece is read as is what it was last written as, or the read is an error.
class PieceFile {
 public:
  /// Whole pages, and whole samples of 8 or 12 bytes.
  static constexpr std::size_t kPieceUnit = std::size_t{12} << 10;

  /// How large pieces are, so that one for each of `sections` takes some MiB together: 12 to 60 KiB.
  static std::size_t PieceBytesFor(std::size_t sections);

  /// Requires, for direct access: sections are of whole pages (InWholePages).
  using Access = ScratchFile::Access;

  /// Makes the file. Errors here and below name the path; ResourceExhausted: the disk is full.
  static absl::StatusOr<std::unique_ptr<PieceFile>> Create(
      const std::string& path, std::span<const std::uint64_t> section_bytes,
      std::size_t piece_bytes, Access access = Access::kCached);

  std::size_t piece_bytes() const { return piece_bytes_; }
  std::uint64_t SectionBytes(std::size_t section) const { return sections_[section].bytes; }

  /// Requires, here and below: `at` in the section begins a piece, and `bytes` ends where a piece or
  /// the section does.
  absl::Status Write(std::size_t section, std::uint64_t at, std::span<const std::byte> bytes);

  /// DataLoss: it is not whole, or not as it was. Requires: it was written.
  absl::Status Read(std::size_t section, std::uint64_t at, std::span<std::byte> bytes) const;

  /// These bytes are read soon. A hint.
  void Announce(std::size_t section, std::uint64_t at, std::uint64_t bytes) const;

 private:
  struct Section {
    std::uint64_t begin = 0;  // In the file, where a page begins.
    std::uint64_t bytes = 0;
    std::size_t first_piece = 0;  // In checksums_.
  };

  PieceFile(std::unique_ptr<ScratchFile> file, std::span<const std::uint64_t> section_bytes,
            std::size_t piece_bytes);
  // Calls `visit(checksum, piece)` for the pieces that `bytes` are, from `at` of the section on.
  template <class Byte, class Visit>
  void ForPieces(const Section& section, std::uint64_t at, std::span<Byte> bytes,
                 const Visit& visit) const;

  const std::unique_ptr<ScratchFile> file_;
  const std::size_t piece_bytes_;
  std::vector<Section> sections_;
  std::vector<std::uint64_t> checksums_;  // By piece, section after section.
};

}  // namespace cf
