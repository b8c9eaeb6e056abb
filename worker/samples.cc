#include "worker/samples.h"

#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "worker/disk_samples.h"

namespace cf {
namespace {

/// The longest runs of partitions of a range for which `holds(p)`, where p counts from its first.
template <class Holds>
std::vector<SeatRange> RunsOf(SeatRange range, const Holds& holds) {
  std::vector<SeatRange> runs;
  for (std::uint32_t p = 0; p < range.size(); ++p) {
    if (!holds(p)) continue;
    const std::uint32_t partition = range.first + p;
    if (runs.empty() || runs.back().last != partition) runs.push_back({partition, partition});
    ++runs.back().last;
  }
  return runs;
}

}  // namespace

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
                         SeatRange range, std::string scratch, KeptSamples* kept)
    : data_(data),
      split_(split),
      partitioning_(partitioning),
      range_(range),
      counts_{std::vector<std::uint64_t>(range.size()), std::vector<std::uint64_t>(range.size())} {
  if (!scratch.empty()) {
    for (const SampleKind kind : {SampleKind::kTraining, SampleKind::kValidation}) {
      counts_[static_cast<std::size_t>(kind)] =
          CountSamples(data, split, partitioning, range, kind);
    }
    disk_ = std::make_unique<DiskSamples>(DiskSamples::Options{.data = &data,
                                                               .split = &split,
                                                               .partitioning = partitioning,
                                                               .range = range,
                                                               .scratch = std::move(scratch)});
    return;
  }
  partitions_.resize(range.size());
  orders_.resize(range.size());
  std::vector<bool> taken(range.size());
  for (std::uint32_t p = 0; kept != nullptr && p < range.size(); ++p) {
    if (range.first + p >= kept->size()) break;
    std::optional<KeptPartitionSamples> there =
        std::exchange((*kept)[range.first + p], std::nullopt);
    if (!there.has_value()) continue;
    taken[p] = true;
    partitions_[p] = std::move(there->samples);
    orders_[p] = there->order;
    for (std::size_t kind = 0; kind < counts_.size(); ++kind)
      counts_[kind][p] = there->counts[kind];
  }
  for (const SeatRange run : RunsOf(range, [&](std::uint32_t p) { return !taken[p]; })) Read(run);
}

SeatSamples::~SeatSamples() = default;

void SeatSamples::GiveTo(KeptSamples& kept) {
  for (std::uint32_t p = 0; p < partitions_.size(); ++p) {
    kept[range_.first + p] = {.samples = std::move(partitions_[p]),
                              .counts = {counts_[0][p], counts_[1][p]},
                              .order = orders_[p]};
  }
}

void SeatSamples::Read(SeatRange run) {
  for (const SampleKind kind : {SampleKind::kTraining, SampleKind::kValidation}) {
    std::ranges::copy(CountSamples(data_, split_, partitioning_, run, kind),
                      counts_[static_cast<std::size_t>(kind)].begin() + (run.first - range_.first));
  }
  PartitionSamples* const of = &partitions_[run.first - range_.first];
  for (std::uint32_t p = 0; p < run.size(); ++p) {
    of[p].validation_.reserve(Count(SampleKind::kValidation, run.first - range_.first + p));
  }
  ForUsers(partitioning_, run, data_, [&](std::uint32_t p, RowId user) {
    ForSamples(data_, split_, SampleKind::kValidation, user,
               [&](const Sample& sample) { of[p].validation_.push_back(sample); });
  });
}

void SeatSamples::TakeCanonicalInMemory(SeatRange run) {
  const std::uint32_t first = run.first - range_.first;
  std::vector<Sample*> next;  // By partition.
  for (std::uint32_t p = first; p < first + run.size(); ++p) {
    orders_[p].reset();
    partitions_[p].training_.resize(Count(SampleKind::kTraining, p));
    partitions_[p].group_ends_.clear();
    next.push_back(partitions_[p].training_.data());
  }
  ForUsers(partitioning_, run, data_, [&](std::uint32_t p, RowId user) {
    Sample* to = next[p];
    ForSamples(data_, split_, SampleKind::kTraining, user,
               [&to](const Sample& sample) { *to++ = sample; });
    next[p] = to;
  });
}

absl::Status SeatSamples::TakeEpoch(std::uint64_t seed, std::uint64_t epoch,
                                    std::uint32_t user_group, std::uint64_t batches) {
  if (disk_ != nullptr) return disk_->TakeEpoch(seed, epoch, user_group, batches);
  const SampleOrder order{.seed = seed, .epoch = epoch, .user_group = user_group};
  for (const SeatRange run : RunsOf(range_, [&](std::uint32_t p) { return orders_[p] != order; })) {
    TakeCanonicalInMemory(run);
    for (std::uint32_t partition = run.first; partition < run.last; ++partition) {
      const std::uint32_t p = partition - range_.first;
      partitions_[p].ShuffleEpoch(seed, epoch, PartitionId{partition}, user_group, partitioning_);
      orders_[p] = order;
    }
  }
  return absl::OkStatus();
}

absl::Status SeatSamples::TakeCanonical() {
  if (disk_ != nullptr) return disk_->TakeCanonical();
  TakeCanonicalInMemory(range_);
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

std::span<const std::uint16_t> SeatSamples::NextUsesOf(std::uint32_t p, SampleRange range) {
  if (disk_ == nullptr || !status_.ok()) return {};
  const absl::StatusOr<std::span<const std::uint16_t>> uses = disk_->NextUsesOf(p, range);
  if (uses.ok()) return *uses;
  status_ = uses.status();
  return {};
}

}  // namespace cf
