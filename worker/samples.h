#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "common/base/ids.h"
#include "common/base/partition.h"
#include "common/dataset/dataset.h"
#include "common/dataset/split.h"
#include "common/math/random.h"

namespace cf {

struct Sample {
  RowId user{};
  RowId item{};
  float rating = 0;
};

/// The part of `n` samples that belongs to batch `t` of `batches`: from floor(n t / T) to floor(n
/// (t + 1) / T).
struct SampleRange {
  std::uint64_t first = 0;
  std::uint64_t last = 0;
};
constexpr SampleRange SamplesOfBatch(std::uint64_t n, std::uint64_t t, std::uint64_t batches) {
  __extension__ using Wide = unsigned __int128;
  return {static_cast<std::uint64_t>(Wide{n} * t / batches),
          static_cast<std::uint64_t>(Wide{n} * (t + 1) / batches)};
}

/// Calls `visit(p, user)` for each user of the partitions in `range`, ascending, where p counts from
/// the range's first partition. That is one way through the data set, and of each partition the
/// canonical order. Requires: the range is not empty.
template <class Visit>
void ForUsers(Partitioning partitioning, SeatRange range, const Dataset& data, const Visit& visit) {
  const std::uint32_t users = data.users();
  SamplesPass pass(data);
  for (std::uint32_t slot = 0; slot < partitioning.RowsMax(users); ++slot) {
    // The range's users of a slot follow each other, in every second one backwards.
    const PartitionId ends[] = {PartitionId{range.first}, PartitionId{range.last - 1}};
    const auto [first, last] = std::ranges::minmax(
        {Index(partitioning.IdAt(ends[0], slot)), Index(partitioning.IdAt(ends[1], slot))});
    if (first < users) pass.ComesTo(RowId{static_cast<std::uint32_t>(first)});
    for (std::size_t user = first; user <= last && user < users; ++user) {
      const RowId id{static_cast<std::uint32_t>(user)};
      visit(static_cast<std::uint32_t>(partitioning.Of(id)) - range.first, id);
    }
  }
}

/// Training samples, or those that are kept from training.
enum class SampleKind : std::uint8_t { kTraining, kValidation };

/// Calls `visit(sample)` for each sample of one kind that `user` has, in canonical order.
template <class Visit>
void ForSamples(const Dataset& data, const DataSplit& split, SampleKind kind, RowId user,
                const Visit& visit) {
  const std::span<const std::uint64_t> offsets = data.user_offsets().subspan(Index(user), 2);
  const auto visit_number = [&](std::uint64_t s) {
    visit(Sample{user, data.item_column()[s], data.ratings()[s]});
  };
  if (kind == SampleKind::kValidation) {
    split.ForValidation(offsets[0], offsets[1], visit_number);
    return;
  }
  for (std::uint64_t s = offsets[0]; s < offsets[1]; ++s) {
    if (!split.is_validation(s)) visit_number(s);
  }
}

/// By partition of `range`: how many samples of one kind its users have.
std::vector<std::uint64_t> CountSamples(const Dataset& data, const DataSplit& split,
                                        Partitioning partitioning, SeatRange range,
                                        SampleKind kind);

/// The samples of one partition, that is of its users, and the order in which they are visited.
///
/// Owner:      SeatSamples.
/// Threads:    the seat's compute thread.
/// Bounds:     kBytesPerSample, training or validation; with groups kBytesPerGroupedSample more for
///             a training sample.
/// Invariants: validation() is in canonical order (user, item).
class PartitionSamples {
 public:
  static constexpr std::size_t kBytesPerSample = sizeof(Sample);
  static constexpr std::size_t kBytesPerGroupedSample = sizeof(std::uint32_t);
  /// While the order of groups is taken: two of each, and its group.
  static constexpr std::size_t kBytesPerSampleInGrouping =
      2 * kBytesPerSample + sizeof(SampleRange) + kBytesPerGroupedSample;

  /// The training samples in the order that was taken last; none that mean anything before the
  /// first.
  std::span<const Sample> training() const { return training_; }
  /// Which of an epoch's samples batch `t` of `batches` has: whole groups.
  SampleRange OfBatch(std::uint64_t t, std::uint64_t batches) const;

  std::span<const Sample> validation() const { return validation_; }

 private:
  friend class SeatSamples;
  friend class DiskSamples;

  // Puts training(), which is in canonical order, into that of an epoch.
  void ShuffleEpoch(std::uint64_t seed, std::uint64_t epoch, PartitionId partition,
                    std::uint32_t user_group, Partitioning partitioning);
  // Shuffles training(), which is in canonical order, by `random`; then puts it into groups, which
  // are shuffled by `of_groups`.
  void ShuffleGroups(const CounterRandom& random, const CounterRandom& of_groups,
                     std::uint32_t user_group, Partitioning partitioning);

  std::vector<Sample> training_;
  std::vector<Sample> validation_;
  // By group of the epoch: where its samples in training_ end. None where a sample is its own group.
  std::vector<std::uint32_t> group_ends_;
};

/// An order of training samples (docs/arithmetic.md, Groups).
struct SampleOrder {
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::uint32_t user_group = 1;
  bool operator==(const SampleOrder&) const = default;
};

/// The samples of a partition, as one generation of the job leaves them to the next.
struct KeptPartitionSamples {
  PartitionSamples samples;
  std::array<std::uint64_t, 2> counts =
      {};                                 ///< By kind; the training samples may not be there yet.
  std::optional<SampleOrder> order = {};  ///< In which they are; nothing: canonical, or not there.
};
/// By partition of the job.
using KeptSamples = std::vector<std::optional<KeptPartitionSamples>>;

class DiskSamples;

/// The samples of the partitions of one seat. The data set has them in canonical order, so no order
/// but the one that is visited is kept: in memory, or where that is too small on disk, from which
/// batches take what they want piece by piece.
///
/// Owner:      Trainer.
/// Threads:    the seat's compute thread.
/// Bounds:     those of its partitions, or of DiskSamples. To take an order is one way through the data
///             set; meanwhile, with groups, a partition's samples are there twice.
/// Invariants: a partition's order of an epoch is a function of (seed, epoch, partition, samples in
///             a group).
class SeatSamples {
 public:
  /// `data` and `split`, which was made from it, are borrowed. `scratch`: how names of files with
  /// samples begin, "FOLDER/0-"; empty: they are in memory. `kept`: what need not be read again, and
  /// is taken from there; may be null, and so may its entries.
  SeatSamples(const Dataset& data, const DataSplit& split, Partitioning partitioning,
              SeatRange range, std::string scratch = {}, KeptSamples* kept = nullptr);
  ~SeatSamples();

  /// Puts what is in memory there; nothing may be asked of this one afterwards. Requires: an entry
  /// for each partition of the job.
  void GiveTo(KeptSamples& kept);

  /// In memory, by partition of the range.
  std::span<const PartitionSamples> partitions() const { return partitions_; }

  std::uint64_t Count(SampleKind kind, std::uint32_t p) const {
    return counts_[static_cast<std::size_t>(kind)][p];
  }

  /// Takes the order of `epoch`, counted from 0, in which up to `user_group` samples of one user
  /// stay side by side (docs/arithmetic.md, Groups). `batches`: of which OfBatch is asked for.
  /// Requires: user_group > 0. Errors are those of the disk.
  absl::Status TakeEpoch(std::uint64_t seed, std::uint64_t epoch, std::uint32_t user_group,
                         std::uint64_t batches = 1);

  /// Takes canonical order.
  absl::Status TakeCanonical();

  /// Which of the samples of the order that was taken batch `t` of `batches` has of partition `p` of
  /// the range.
  SampleRange OfBatch(std::uint32_t p, std::uint64_t t, std::uint64_t batches) const;

  /// Those samples of partition `p` of the range, of training in the order that was taken, of
  /// validation in canonical order. They hold until the next call. None after an error, which
  /// status() tells from then on. From the disk, ranges that ascend are read once.
  std::span<const Sample> Take(SampleKind kind, std::uint32_t p, SampleRange range) {
    if (disk_ != nullptr) return TakeFromDisk(kind, p, range);
    const PartitionSamples& of = partitions_[p];
    return (kind == SampleKind::kTraining ? of.training() : of.validation())
        .subspan(range.first, range.last - range.first);
  }
  const absl::Status& status() const { return status_; }

  /// By training sample of `range` of partition `p`, in an epoch's order that was taken: in how many
  /// batches its user comes again (NextUses). They hold until the next call. Nothing where that is
  /// not known: in memory, and after an error.
  std::span<const std::uint16_t> NextUsesOf(std::uint32_t p, SampleRange range);

 private:
  // Of some partitions of the range, into memory.
  void Read(SeatRange run);
  void TakeCanonicalInMemory(SeatRange run);
  std::span<const Sample> TakeFromDisk(SampleKind kind, std::uint32_t p, SampleRange range);

  const Dataset& data_;
  const DataSplit& split_;
  const Partitioning partitioning_;
  const SeatRange range_;
  std::array<std::vector<std::uint64_t>, 2> counts_;  // By kind and partition.
  std::vector<PartitionSamples> partitions_;          // Empty where they are on disk,
  std::vector<std::optional<SampleOrder>> orders_;    // as is this: the order they are in.
  std::unique_ptr<DiskSamples> disk_;                 // Null where they are in memory.
  absl::Status status_;
};

}  // namespace cf
