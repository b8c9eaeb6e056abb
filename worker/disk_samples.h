#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/piece_file.h"
#include "worker/samples.h"

namespace cf {

/// Reads one section of a file that has an entry for each sample, piece by piece.
///
/// Owner:   DiskSamples, one for each section that is read.
/// Threads: the seat's compute thread.
/// Bounds:  a piece, until it is dropped.
template <class Entry>
class SectionReader {
 public:
  /// Those of the samples in `range` of the section, which hold until the next call; `joined` is
  /// where they are put if they are in several pieces.
  absl::StatusOr<std::span<const Entry>> Read(const PieceFile& file, std::size_t section,
                                              SampleRange range, std::vector<Entry>& joined);
  void Drop();

 private:
  static constexpr std::uint64_t kNone = ~std::uint64_t{0};

  absl::Status Have(const PieceFile& file, std::size_t section, std::uint64_t number);

  std::uint64_t number_ = kNone;
  std::vector<Entry> piece_;
};

/// The samples of a seat where memory is too small for them: in files, a section for each partition,
/// in canonical order as they come from the data set, and in an epoch's, made of that, with what is
/// known then of when users come again.
///
/// Owner:   SeatSamples.
/// Threads: the seat's compute thread.
/// Bounds:  on disk 12 bytes a sample that is looked at, and 14 more in training. In memory two
///          pieces for each partition, with groups 4 bytes a batch for each, and while an order is
///          taken the largest partition, with groups twice, and NextUses of it.
class DiskSamples {
 public:
  /// All is borrowed but `scratch`, with which names of files begin: "FOLDER/0-".
  struct Options {
    const Dataset* data = nullptr;
    const DataSplit* split = nullptr;
    Partitioning partitioning{1};
    SeatRange range{};
    std::string scratch;
  };
  explicit DiskSamples(Options options);

  /// As those of SeatSamples.
  absl::Status TakeEpoch(std::uint64_t seed, std::uint64_t epoch, std::uint32_t user_group,
                         std::uint64_t batches);
  absl::Status TakeCanonical();
  SampleRange OfBatch(std::uint32_t p, std::uint64_t t, std::uint64_t batches) const;
  absl::StatusOr<std::span<const Sample>> Take(SampleKind kind, std::uint32_t p, SampleRange range);
  absl::StatusOr<std::span<const std::uint16_t>> NextUsesOf(std::uint32_t p, SampleRange range);

 private:
  // Makes the file of samples of one kind in canonical order, if it is not there.
  absl::StatusOr<const PieceFile*> Canonical(SampleKind kind);
  // The file that has samples of that kind in the order that was taken.
  absl::StatusOr<const PieceFile*> FileOf(SampleKind kind);
  void DropPieces();

  const Options options_;
  std::array<std::unique_ptr<PieceFile>, 2> canonical_;  // By kind.
  std::unique_ptr<PieceFile> epoch_;
  std::unique_ptr<PieceFile> next_uses_;  // Of its samples.
  bool has_epoch_ = false;                // Whether that is the order of training samples.
  // With groups, by partition of the range: where each batch of the epoch ends.
  std::vector<std::vector<std::uint32_t>> batch_ends_;
  std::vector<SectionReader<Sample>> readers_;  // By partition of the range: of
  const PieceFile* reads_ = nullptr;            // this file.
  std::optional<std::uint32_t> ended_;          // The partition that was read last, if to its end.
  std::vector<SectionReader<std::uint16_t>> next_use_readers_;  // By partition of the range.
  std::vector<Sample> joined_;
  std::vector<std::uint16_t> joined_next_uses_;
};

}  // namespace cf
