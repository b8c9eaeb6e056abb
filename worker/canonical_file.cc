#include "worker/canonical_file.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include "common/base/activity.h"

namespace cf {
namespace {

/// Fills the pieces of a file's sections, one sample after the other.
///
/// Owner:   WriteCanonical.
/// Threads: one.
/// Bounds:  a piece for each section that has samples.
class SectionWriter {
 public:
  explicit SectionWriter(PieceFile& file)
      : file_(file), of_piece_(file.piece_bytes() / sizeof(Sample)) {}

  /// The next sample of `section`. Errors come out of Finish.
  void Add(std::size_t section, const Sample& sample) {
    if (section >= sections_.size()) sections_.resize(section + 1);
    std::vector<Sample>& piece = sections_[section].piece;
    if (piece.capacity() == 0) {
      piece.reserve(std::min<std::size_t>(of_piece_, file_.SectionBytes(section) / sizeof(Sample)));
    }
    piece.push_back(sample);
    if (piece.size() == of_piece_) Flush(section);
  }

  absl::Status Finish() {
    for (std::size_t section = 0; section < sections_.size(); ++section) {
      if (!sections_[section].piece.empty()) Flush(section);
    }
    return status_;
  }

 private:
  struct Section {
    std::uint64_t written = 0;  // Bytes.
    std::vector<Sample> piece;
  };

  void Flush(std::size_t section) {
    Section& of = sections_[section];
    const std::span<const std::byte> bytes = std::as_bytes(std::span(of.piece));
    if (status_.ok()) status_ = file_.Write(section, of.written, bytes);
    of.written += bytes.size();
    of.piece.clear();
  }

  PieceFile& file_;
  const std::size_t of_piece_;
  std::vector<Section> sections_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<PieceFile>> WriteCanonical(const SamplesOnDisk& samples,
                                                          const std::string& path) {
  const SeatRange range = samples.range;
  std::vector<std::uint64_t> bytes =
      CountSamples(samples.data, samples.split, samples.partitioning, range, samples.kind);
  const auto is_left_out = [&](std::uint32_t p) {
    return !samples.leaves_out.empty() && samples.leaves_out[p];
  };
  for (std::uint32_t p = 0; p < range.size(); ++p) {
    bytes[p] = is_left_out(p) ? 0 : bytes[p] * sizeof(Sample);
  }
  absl::StatusOr<std::unique_ptr<PieceFile>> file =
      PieceFile::Create(path, bytes, PieceFile::PieceBytesFor(range.size()));
  if (!file.ok()) return file.status();
  SectionWriter writer(**file);
  const auto of_user = [&](std::uint32_t p, RowId user) {
    Activity::Tick();
    if (is_left_out(p)) return;
    ForSamples(samples.data, samples.split, samples.kind, user,
               [&](const Sample& sample) { writer.Add(p, sample); });
  };
  ForUsers(samples.partitioning, range, samples.data, of_user);
  if (absl::Status written = writer.Finish(); !written.ok()) return written;
  return file;
}

}  // namespace cf
