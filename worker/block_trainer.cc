#include "worker/block_trainer.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace cf {
namespace {

// The places of samples this far ahead are fetched while a sub-batch is made.
constexpr std::size_t kPlacesAhead = 12;

}  // namespace

void BlockTrainer::Side::Clear() {
  // A stamp is used again after 2^32 sub-batches.
  if (++batch == 0) {
    std::ranges::fill(places, Place());
    batch = 1;
  }
  slots.clear();
  rows.clear();
}

BlockTrainer::Side::Touched BlockTrainer::Side::Touch(std::uint32_t slot, const SlabRows& from) {
  Place& place = places[slot];
  if (place.batch == batch) return {place.entry, false};
  place = {batch, static_cast<std::uint32_t>(slots.size())};
  slots.push_back(slot);
  rows.push_back(from.rows + slot * from.stride);
  return {place.entry, true};
}

void BlockTrainer::Side::MakeRoom(std::size_t entries, const RowLayout& layout) {
  const std::size_t floats = entries * layout.gradient_stride() + kLanes;
  if (gradient_memory.size() >= floats) return;
  gradient_memory.resize(floats);
  const auto address = reinterpret_cast<std::uintptr_t>(gradient_memory.data());
  gradient = gradient_memory.data() + (64 - address % 64) % 64 / sizeof(float);
}

BlockTrainer::BlockTrainer(Options options, std::span<const PartitionSamples> samples)
    : options_(std::move(options)) {
  Check(samples.size() == options_.range.size(), "samples are by partition of the seat's range");
  const Partitioning partitioning(options_.schedule.partitions());
  for (std::uint32_t p = options_.range.first; p < options_.range.last; ++p) {
    samples_.emplace_back(samples[p - options_.range.first], partitioning, PartitionId{p});
  }
  const auto places = [&partitioning](std::uint32_t rows) {
    return (rows + partitioning.count() - 1) / partitioning.count();
  };
  users_.places.resize(places(options_.users));
  items_.places.resize(places(options_.items));
}

absl::Status BlockTrainer::Train(const Segment& segment, std::span<ObjectiveSums> sums) {
  Check(sums.size() == options_.range.size(), "sums are by partition of the seat's range");
  for (std::uint64_t j = segment.first; j < segment.last; ++j) {
    const std::uint64_t turn = segment.epoch * options_.schedule.sub_epochs() + j;
    for (std::uint32_t k = 0; k < options_.range.size(); ++k) {
      const PartitionId p{options_.range.first + k};
      const PartitionId q = options_.schedule.ItemsOf(p, j);
      const absl::StatusOr<SlabRows> items = TakeItems(q, turn);
      if (!items.ok()) return items.status();
      TrainBlock(segment, j, p, q, *items, sums[k]);
      // The seat below needs it last of all in the next turn.
      if (k == 0) {
        const Profile::Scope scope(options_.profile, Phase::kPush);
        options_.rows->PassItems(q, turn);
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SlabRows> BlockTrainer::TakeItems(PartitionId q, std::uint64_t turn) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.rows->Items(q, turn);
}

std::span<const BlockSample> BlockTrainer::SamplesOf(const Segment& segment, std::uint64_t j,
                                                     PartitionId p, PartitionId q) {
  const Profile::Scope scope(options_.profile, Phase::kLoader);
  return samples_[Index(p) - options_.range.first].Round(q, options_.shuffle_seed, segment.epoch,
                                                         options_.schedule.RoundOf(j),
                                                         options_.schedule.rounds());
}

void BlockTrainer::TrainBlock(const Segment& segment, std::uint64_t j, PartitionId p, PartitionId q,
                              const SlabRows& item_rows, ObjectiveSums& sums) {
  const BlockSchedule& schedule = options_.schedule;
  const std::span<const BlockSample> samples = SamplesOf(segment, j, p, q);
  const SlabRows user_rows = options_.rows->Users(p);
  const std::size_t size = std::max(1U, options_.batch_size / schedule.partitions());
  const std::size_t count = (samples.size() + size - 1) / size;
  for (std::size_t k = 0; k < count; ++k) {
    const SampleRange range = SamplesOfBatch(samples.size(), k, count);
    Make(samples.subspan(range.first, range.last - range.first), user_rows, item_rows);
    const PairBatch pairs{.samples = pairs_,
                          .user_rows = users_.rows.data(),
                          .item_rows = items_.rows.data(),
                          .user_gradients = users_.gradient,
                          .item_gradients = items_.gradient,
                          .gradient_stride = options_.layout.gradient_stride(),
                          .padded_dim = options_.layout.padded_dim()};
    {
      const Profile::Scope scope(options_.profile, Phase::kGradient);
      options_.kernels->pair_gradient(pairs, options_.objective, sums);
    }
    const Profile::Scope scope(options_.profile, Phase::kApply);
    const std::uint64_t step = segment.first_step + schedule.StepAt(j, k, count);
    options_.rows->ApplyUsers(p, step, users_.gradients(options_.layout));
    options_.rows->ApplyItems(q, step, items_.gradients(options_.layout));
  }
}

void BlockTrainer::Make(std::span<const BlockSample> samples, const SlabRows& user_rows,
                        const SlabRows& item_rows) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  users_.Clear();
  items_.Clear();
  pairs_.clear();
  for (std::size_t s = 0; s < samples.size(); ++s) {
    if (s + kPlacesAhead < samples.size()) {
      __builtin_prefetch(&users_.places[samples[s + kPlacesAhead].user], 1);
      __builtin_prefetch(&items_.places[samples[s + kPlacesAhead].item], 1);
    }
    const Side::Touched user = users_.Touch(samples[s].user, user_rows);
    const Side::Touched item = items_.Touch(samples[s].item, item_rows);
    pairs_.push_back({.user = user.entry & 0x7fffffffU,
                      .user_is_first = user.is_first ? 1U : 0U,
                      .item = item.entry & 0x7fffffffU,
                      .item_is_first = item.is_first ? 1U : 0U,
                      .rating = samples[s].rating});
  }
  users_.MakeRoom(users_.slots.size(), options_.layout);
  items_.MakeRoom(items_.slots.size(), options_.layout);
}

}  // namespace cf
