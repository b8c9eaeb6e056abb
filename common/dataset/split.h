#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "common/base/partition.h"
#include "common/config/job.pb.h"
#include "common/dataset/dataset.h"

namespace cf {

/// The last validation sample of a random split in the order of (key, number): what one rank finds
/// out from the keys of all samples, and others need only be told.
struct RandomCut {
  std::uint64_t key = 0;
  std::uint64_t sample = 0;
};

/// Some of a job's users: those of the partitions in the ranges.
struct UsersOfPartitions {
  Partitioning partitioning;
  std::vector<SeatRange> ranges;
};

/// Which samples of a data set are kept from training to validate; a function of the samples and
/// the configuration, so every rank of a job finds the same one.
///
/// Owner:   whoever made it; independent of the data set afterwards.
/// Threads: any; constant after construction.
/// Bounds:  one bit for each sample.
class DataSplit {
 public:
  /// InvalidArgument for a fraction outside (0, 1); FailedPrecondition if the data set lacks what
  /// the split needs (timestamps, a given validation file).
  static absl::StatusOr<DataSplit> Make(const Dataset& data, const Split& config);

  /// The same, without looking at the samples of other users than these where the split is random.
  /// Requires: `cut` is that of the whole split.
  static absl::StatusOr<DataSplit> MakeFor(const UsersOfPartitions& users, const RandomCut& cut,
                                           const Dataset& data, const Split& config);

  /// Makes it know the samples of these users, too; those that it knows are not looked at again.
  /// Requires: what it was made from, and the same partitioning as MakeFor's.
  void Include(const UsersOfPartitions& users, const Dataset& data, const Split& config);

  /// Whether it knows the samples of every user.
  bool whole() const { return whole_; }
  /// Where a random split cuts; zeros for other kinds.
  const RandomCut& cut() const { return cut_; }

  /// Samples are numbered in canonical order. Requires: whole(), or the sample of a user that this
  /// was made for or that was included.
  bool is_validation(std::uint64_t sample) const {
    return ((bits_[sample / 64] >> (sample % 64)) & 1) != 0;
  }
  /// Calls `visit(sample)` for each validation sample from `first` to `last` - 1, in as many steps as
  /// there are, and one for 64 samples. Requires: as is_validation.
  template <class Visit>
  void ForValidation(std::uint64_t first, std::uint64_t last, const Visit& visit) const {
    for (std::uint64_t word = first / 64; word * 64 < last; ++word) {
      std::uint64_t left = bits_[word];
      if (word == first / 64) left &= ~std::uint64_t{0} << (first % 64);
      if (last - word * 64 < 64) left &= ~(~std::uint64_t{0} << (last % 64));
      for (; left != 0; left &= left - 1) {
        visit(word * 64 + static_cast<std::uint64_t>(std::countr_zero(left)));
      }
    }
  }
  std::uint64_t samples() const { return samples_; }
  std::uint64_t training_count() const { return samples_ - validation_count_; }
  std::uint64_t validation_count() const { return validation_count_; }

  /// For people, as "random .1, seed 42", "given", "leave last out", "leave one
  /// out, seed 42", "global time .1", "none".
  const std::string& name() const { return name_; }

 private:
  explicit DataSplit(std::uint64_t samples) : samples_(samples), bits_((samples + 63) / 64, 0) {}
  void Mark(std::uint64_t sample) { bits_[sample / 64] |= std::uint64_t{1} << (sample % 64); }
  void MarkRandom(const Dataset& data, std::uint64_t seed);
  bool MarkNearShare(const Dataset& data, std::uint64_t seed, double margin);
  void MarkUpToCut(const Dataset& data, std::uint64_t seed, const UsersOfPartitions& users);
  void MarkLastOfEachUser(const Dataset& data);
  void MarkOneOfEachUser(const Dataset& data, std::uint64_t seed);
  void MarkNewest(const Dataset& data, std::uint64_t count);

  std::uint64_t samples_;
  std::uint64_t validation_count_ = 0;
  std::vector<std::uint64_t> bits_;
  RandomCut cut_;
  bool whole_ = true;
  std::vector<bool> known_;  // By partition, where it is not whole.
  std::string name_;
};

/// What models take from the ratings: of training samples only, lest validation leak into training.
struct TrainingStatistics {
  double mean = 0;
  double deviation = 0;  ///< Standard, of the training samples themselves.
  float min = 0;
  float max = 0;
};

/// Sums each partition of users in canonical order, then along the tree over `partitions` leaves,
/// so the bits depend on data, split and P only. FailedPrecondition without a training sample.
/// Requires: `partitions` is a power of two; `split` was made from `data`.
absl::StatusOr<TrainingStatistics> ComputeTrainingStatistics(const Dataset& data,
                                                             const DataSplit& split,
                                                             std::uint32_t partitions);

}  // namespace cf
