#include "worker/samples.h"

#include <utility>

#include "common/base/activity.h"
#include "worker/disk_samples.h"

namespace cf {

std::vector<std::uint64_t> CountSamples(const Dataset& data, const DataSplit& split,
                                        Partitioning partitioning, SeatRange range,
                                        SampleKind kind) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  std::vector<std::uint64_t> counts(range.size());
  ForUsers(partitioning, range, data, [&](std::uint32_t p, RowId user) {
    const std::uint64_t first = offsets[Index(user)];
    const std::uint64_t last = offsets[Index(user) + 1];
    std::uint64_t of_validation = 0;
    split.ForValidation(first, last, [&](std::uint64_t /*sample*/) { ++of_validation; });
    counts[p] += kind == SampleKind::kValidation ? of_validation : last - first - of_validation;
  });
  return counts;
}

void PartitionSamples::ShuffleEpoch(std::uint64_t seed, std::uint64_t epoch, PartitionId partition,
                                    std::uint32_t user_group, Partitioning partitioning) {
  Activity::Tick();
  const std::uint64_t stream = CounterRandom::Stream(epoch, static_cast<std::uint32_t>(partition));
  const CounterRandom random(seed, Purpose::kShuffle, stream);
  if (user_group == 1) {
    Shuffle(std::span(training_), random);
  } else {
    ShuffleGroups(random, CounterRandom(seed, Purpose::kGroupShuffle, stream), user_group,
                  partitioning);
  }
}

void PartitionSamples::ShuffleGroups(const CounterRandom& random, const CounterRandom& of_groups,
                                     std::uint32_t user_group, Partitioning partitioning) {
  std::vector<SampleRange> groups;
  std::vector<std::size_t>
      next;  // By slot of a user that has samples: where the next of them goes.
  for (std::size_t first = 0, end = 0; first < training_.size(); first = end) {
    const RowId user = training_[first].user;
    while (end < training_.size() && training_[end].user == user) ++end;
    next.resize(partitioning.SlotOf(user) + 1);
    next.back() = first;
    const std::uint64_t count = (end - first + user_group - 1) / user_group;
    for (std::uint64_t k = 0; k < count; ++k) {
      const SampleRange group = SamplesOfBatch(end - first, k, count);
      groups.push_back({first + group.first, first + group.last});
    }
  }
  Shuffle(std::span(training_), random);
  // User after user, each one's as they come in that order.
  std::vector<Sample> by_user(training_.size());
  for (const Sample& sample : training_) {
    by_user[next[partitioning.SlotOf(sample.user)]++] = sample;
  }
  Shuffle(std::span(groups), of_groups);
  group_ends_.reserve(groups.size());
  std::size_t taken = 0;
  for (const SampleRange& group : groups) {
    for (std::uint64_t k = group.first; k < group.last; ++k) training_[taken++] = by_user[k];
    group_ends_.push_back(static_cast<std::uint32_t>(taken));
  }
}

SampleRange PartitionSamples::OfBatch(std::uint64_t t, std::uint64_t batches) const {
  if (group_ends_.empty()) return SamplesOfBatch(training_.size(), t, batches);
  const SampleRange groups = SamplesOfBatch(group_ends_.size(), t, batches);
  const auto start_of = [this](std::uint64_t group) {
    return group == 0 ? 0 : group_ends_[group - 1];
  };
  return {start_of(groups.first), start_of(groups.last)};
}

SeatSamples::SeatSamples(const Dataset& data, const DataSplit& split, Partitioning partitioning,
                         SeatRange range, std::string scratch)
    : data_(data),
      split_(split),
      partitioning_(partitioning),
      range_(range),
      counts_{CountSamples(data, split, partitioning, range, SampleKind::kTraining),
              CountSamples(data, split, partitioning, range, SampleKind::kValidation)} {
  if (!scratch.empty()) {
    disk_ = std::make_unique<DiskSamples>(DiskSamples::Options{.data = &data,
                                                               .split = &split,
                                                               .partitioning = partitioning,
                                                               .range = range,
                                                               .scratch = std::move(scratch)});
    return;
  }
  partitions_.resize(range.size());
  for (std::uint32_t p = 0; p < range.size(); ++p) {
    partitions_[p].validation_.reserve(Count(SampleKind::kValidation, p));
  }
  ForUsers(partitioning_, range_, data_, [&](std::uint32_t p, RowId user) {
    ForSamples(data_, split_, SampleKind::kValidation, user,
               [&](const Sample& sample) { partitions_[p].validation_.push_back(sample); });
  });
}

SeatSamples::~SeatSamples() = default;

void SeatSamples::TakeCanonicalInMemory() {
  std::vector<Sample*> next;  // By partition.
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    partitions_[p].training_.resize(Count(SampleKind::kTraining, p));
    partitions_[p].group_ends_.clear();
    next.push_back(partitions_[p].training_.data());
  }
  ForUsers(partitioning_, range_, data_, [&](std::uint32_t p, RowId user) {
    Sample* to = next[p];
    ForSamples(data_, split_, SampleKind::kTraining, user,
               [&to](const Sample& sample) { *to++ = sample; });
    next[p] = to;
  });
}

absl::Status SeatSamples::TakeEpoch(std::uint64_t seed, std::uint64_t epoch,
                                    std::uint32_t user_group, std::uint64_t batches) {
  if (disk_ != nullptr) return disk_->TakeEpoch(seed, epoch, user_group, batches);
  TakeCanonicalInMemory();
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    partitions_[p].ShuffleEpoch(seed, epoch, PartitionId{range_.first + p}, user_group,
                                partitioning_);
  }
  return absl::OkStatus();
}

absl::Status SeatSamples::TakeCanonical() {
  if (disk_ != nullptr) return disk_->TakeCanonical();
  TakeCanonicalInMemory();
  return absl::OkStatus();
}

SampleRange SeatSamples::OfBatch(std::uint32_t p, std::uint64_t t, std::uint64_t batches) const {
  return disk_ != nullptr ? disk_->OfBatch(p, t, batches) : partitions_[p].OfBatch(t, batches);
}

std::span<const Sample> SeatSamples::TakeFromDisk(SampleKind kind, std::uint32_t p,
                                                  SampleRange range) {
  if (!status_.ok()) return {};
  const absl::StatusOr<std::span<const Sample>> samples = disk_->Take(kind, p, range);
  if (samples.ok()) return *samples;
  status_ = samples.status();
  return {};
}

}  // namespace cf
