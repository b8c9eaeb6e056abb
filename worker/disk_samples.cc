#include "worker/disk_samples.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "worker/canonical_file.h"
#include "worker/next_uses.h"

namespace cf {

// --- One section ---------------------------------------------------------------------------------

template <class Entry>
absl::StatusOr<std::span<const Entry>> SectionReader<Entry>::Read(const PieceFile& file,
                                                                  std::size_t section,
                                                                  SampleRange range,
                                                                  std::vector<Entry>& joined) {
  const std::uint64_t of_piece = file.piece_bytes() / sizeof(Entry);
  if (range.first == range.last) return std::span<const Entry>();
  if (range.first / of_piece == (range.last - 1) / of_piece) {
    absl::Status there = Have(file, section, range.first / of_piece);
    if (!there.ok()) return there;
    return std::span<const Entry>(piece_).subspan(range.first % of_piece, range.last - range.first);
  }
  joined.clear();
  for (std::uint64_t first = range.first; first < range.last;) {
    const std::uint64_t piece = first / of_piece;
    const std::uint64_t last = std::min(range.last, (piece + 1) * of_piece);
    absl::Status there = Have(file, section, piece);
    if (!there.ok()) return there;
    const std::span<const Entry> some =
        std::span<const Entry>(piece_).subspan(first % of_piece, last - first);
    joined.insert(joined.end(), some.begin(), some.end());
    first = last;
  }
  return std::span<const Entry>(joined);
}

template <class Entry>
absl::Status SectionReader<Entry>::Have(const PieceFile& file, std::size_t section,
                                        std::uint64_t number) {
  if (number == number_) return absl::OkStatus();
  const std::uint64_t at = number * file.piece_bytes();
  const std::uint64_t left = file.SectionBytes(section) - at;
  const std::uint64_t bytes = std::min<std::uint64_t>(left, file.piece_bytes());
  number_ = kNone;
  piece_.resize(bytes / sizeof(Entry));
  absl::Status read = file.Read(section, at, std::as_writable_bytes(std::span(piece_)));
  if (!read.ok()) return read;
  number_ = number;
  // The next one comes while this one is worked on.
  if (left > bytes) {
    file.Announce(section, at + bytes, std::min<std::uint64_t>(left - bytes, file.piece_bytes()));
  }
  return absl::OkStatus();
}

template <class Entry>
void SectionReader<Entry>::Drop() {
  std::vector<Entry>().swap(piece_);
  number_ = kNone;
}

template class SectionReader<Sample>;
template class SectionReader<std::uint16_t>;

// --- All of a seat -------------------------------------------------------------------------------

DiskSamples::DiskSamples(Options options)
    : options_(std::move(options)),
      readers_(options_.range.size()),
      next_use_readers_(options_.range.size()) {
}

absl::StatusOr<const PieceFile*> DiskSamples::Canonical(SampleKind kind) {
  std::unique_ptr<PieceFile>& file = canonical_[static_cast<std::size_t>(kind)];
  if (file != nullptr) return file.get();
  absl::StatusOr<std::unique_ptr<PieceFile>> written = WriteCanonical(
      {.data = *options_.data,
       .split = *options_.split,
       .partitioning = options_.partitioning,
       .range = options_.range,
       .kind = kind},
      absl::StrCat(options_.scratch, kind == SampleKind::kTraining ? "training" : "validation"));
  if (!written.ok()) return written.status();
  file = *std::move(written);
  return file.get();
}

absl::Status DiskSamples::TakeCanonical() {
  has_epoch_ = false;
  return Canonical(SampleKind::kTraining).status();
}

absl::Status DiskSamples::TakeEpoch(std::uint64_t seed, std::uint64_t epoch,
                                    std::uint32_t user_group, std::uint64_t batches) {
  DropPieces();
  has_epoch_ = false;
  const absl::StatusOr<const PieceFile*> found = Canonical(SampleKind::kTraining);
  if (!found.ok()) return found.status();
  const PieceFile& canonical = **found;
  const std::uint32_t partitions = options_.range.size();
  std::vector<std::uint64_t> bytes;
  for (std::uint32_t p = 0; p < partitions; ++p) bytes.push_back(canonical.SectionBytes(p));
  if (epoch_ == nullptr) {
    absl::StatusOr<std::unique_ptr<PieceFile>> made =
        PieceFile::Create(absl::StrCat(options_.scratch, "epoch"), bytes, canonical.piece_bytes());
    if (!made.ok()) return made.status();
    std::vector<std::uint64_t> of_next_uses;
    for (const std::uint64_t of_samples : bytes) {
      of_next_uses.push_back(of_samples / sizeof(Sample) * NextUses::kBytesPerSample);
    }
    absl::StatusOr<std::unique_ptr<PieceFile>> beside = PieceFile::Create(
        absl::StrCat(options_.scratch, "next_uses"), of_next_uses, PieceFile::kPieceUnit);
    if (!beside.ok()) return beside.status();
    epoch_ = *std::move(made);
    next_uses_ = *std::move(beside);
  }
  batch_ends_.assign(user_group > 1 ? partitions : 0, {});
  PartitionSamples samples;
  NextUses next_uses;
  samples.training_.reserve(std::ranges::max(bytes) / sizeof(Sample));
  for (std::uint32_t p = 0; p < partitions; ++p) {
    const auto of_batch = [&](std::uint64_t t) { return samples.OfBatch(t, batches); };
    samples.training_.resize(bytes[p] / sizeof(Sample));
    const std::span<std::byte> raw = std::as_writable_bytes(std::span(samples.training_));
    absl::Status done;
    // Whoever comes no more in this epoch comes in the next.
    for (const std::uint64_t of : {epoch + 1, epoch}) {
      samples.group_ends_.clear();
      if (done = canonical.Read(p, 0, raw); !done.ok()) return done;
      samples.ShuffleEpoch(seed, of, PartitionId{options_.range.first + p}, user_group,
                           options_.partitioning);
      if (of > epoch) {
        next_uses.LookAhead(samples.training_, options_.partitioning, batches, of_batch);
      }
    }
    if (done = epoch_->Write(p, 0, raw); !done.ok()) return done;
    const std::span<const std::uint16_t> found_uses =
        next_uses.Find(samples.training_, options_.partitioning, batches, of_batch);
    if (done = next_uses_->Write(p, 0, std::as_bytes(found_uses)); !done.ok()) return done;
    for (std::uint64_t t = 0; user_group > 1 && t < batches; ++t) {
      batch_ends_[p].push_back(static_cast<std::uint32_t>(of_batch(t).last));
    }
  }
  has_epoch_ = true;
  return absl::OkStatus();
}

SampleRange DiskSamples::OfBatch(std::uint32_t p, std::uint64_t t, std::uint64_t batches) const {
  if (!has_epoch_ || batch_ends_.empty()) {
    const std::unique_ptr<PieceFile>& canonical =
        canonical_[static_cast<std::size_t>(SampleKind::kTraining)];
    return SamplesOfBatch(canonical->SectionBytes(p) / sizeof(Sample), t, batches);
  }
  const std::vector<std::uint32_t>& ends = batch_ends_[p];
  Check(ends.size() == batches, "batches are those that the order was taken for");
  return {t == 0 ? 0 : ends[t - 1], ends[t]};
}

absl::StatusOr<const PieceFile*> DiskSamples::FileOf(SampleKind kind) {
  if (kind == SampleKind::kTraining && has_epoch_) return epoch_.get();
  return Canonical(kind);
}

absl::StatusOr<std::span<const Sample>> DiskSamples::Take(SampleKind kind, std::uint32_t p,
                                                          SampleRange range) {
  const absl::StatusOr<const PieceFile*> file = FileOf(kind);
  if (!file.ok()) return file.status();
  if (reads_ != *file) DropPieces();
  reads_ = *file;
  // Where partitions come one after the other, only one has a piece.
  if (ended_.has_value() && *ended_ != p) readers_[*ended_].Drop();
  ended_.reset();
  if (range.last * sizeof(Sample) == reads_->SectionBytes(p)) ended_ = p;
  return readers_[p].Read(*reads_, p, range, joined_);
}

absl::StatusOr<std::span<const std::uint16_t>> DiskSamples::NextUsesOf(std::uint32_t p,
                                                                       SampleRange range) {
  if (!has_epoch_) return std::span<const std::uint16_t>();
  return next_use_readers_[p].Read(*next_uses_, p, range, joined_next_uses_);
}

void DiskSamples::DropPieces() {
  for (SectionReader<Sample>& reader : readers_) reader.Drop();
  for (SectionReader<std::uint16_t>& reader : next_use_readers_) reader.Drop();
  reads_ = nullptr;
  ended_.reset();
}

}  // namespace cf
