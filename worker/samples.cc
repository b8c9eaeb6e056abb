#include "worker/samples.h"

#include "common/base/activity.h"

namespace cf {

std::vector<std::uint64_t> CountSamples(const Dataset& data, const DataSplit& split,
                                        Partitioning partitioning, SeatRange range,
                                        SampleKind kind) {
  const std::span<const std::uint64_t> offsets = data.user_offsets();
  std::vector<std::uint64_t> counts(range.size());
  ForUsers(partitioning, range, data.users(), [&](std::uint32_t p, RowId user) {
    const std::uint64_t first = offsets[Index(user)];
    const std::uint64_t last = offsets[Index(user) + 1];
    std::uint64_t of_validation = 0;
    split.ForValidation(first, last, [&](std::uint64_t /*sample*/) { ++of_validation; });
    counts[p] += kind == SampleKind::kValidation ? of_validation : last - first - of_validation;
  });
  return counts;
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
                         SeatRange range)
    : data_(data),
      split_(split),
      partitioning_(partitioning),
      range_(range),
      counts_(range.size()),
      partitions_(range.size()) {
  const std::span<const std::uint64_t> offsets = data_.user_offsets();
  std::vector<std::uint64_t> validation(range.size());
  ForUsers(partitioning_, range_, data_.users(), [&](std::uint32_t p, RowId user) {
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      ++(split_.is_validation(s) ? validation : counts_)[p];
    }
  });
  for (std::uint32_t p = 0; p < range.size(); ++p) {
    partitions_[p].validation_.reserve(validation[p]);
  }
  ForUsers(partitioning_, range_, data_.users(), [&](std::uint32_t p, RowId user) {
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      if (!split_.is_validation(s)) continue;
      partitions_[p].validation_.push_back({user, data_.item_column()[s], data_.ratings()[s]});
    }
  });
}

void SeatSamples::TakeCanonical() {
  const std::span<const std::uint64_t> offsets = data_.user_offsets();
  const std::span<const RowId> items = data_.item_column();
  const std::span<const float> ratings = data_.ratings();
  std::vector<Sample*> next;  // By partition.
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    partitions_[p].training_.resize(counts_[p]);
    partitions_[p].group_ends_.clear();
    next.push_back(partitions_[p].training_.data());
  }
  ForUsers(partitioning_, range_, data_.users(), [&](std::uint32_t p, RowId user) {
    Sample* to = next[p];
    for (std::uint64_t s = offsets[Index(user)]; s < offsets[Index(user) + 1]; ++s) {
      if (!split_.is_validation(s)) *to++ = {user, items[s], ratings[s]};
    }
    next[p] = to;
  });
}

void SeatSamples::TakeEpoch(std::uint64_t seed, std::uint64_t epoch, std::uint32_t user_group) {
  TakeCanonical();
  for (std::uint32_t p = 0; p < range_.size(); ++p) {
    Activity::Tick();
    const std::uint64_t stream = CounterRandom::Stream(epoch, range_.first + p);
    const CounterRandom random(seed, Purpose::kShuffle, stream);
    if (user_group == 1) {
      Shuffle(std::span(partitions_[p].training_), random);
    } else {
      partitions_[p].ShuffleGroups(random, CounterRandom(seed, Purpose::kGroupShuffle, stream),
                                   user_group, partitioning_);
    }
  }
}

}  // namespace cf
