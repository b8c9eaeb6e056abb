#include "worker/block_trainer.h"

#include <algorithm>
#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/kernels/aligned.h"

namespace cf {
namespace {

// The places of samples this far ahead are fetched while a sub-batch is made.
constexpr std::size_t kPlacesAhead = 12;
// Partitions that a wave announces: so that one is being read while another waits, where there is
// room for both.
constexpr std::uint32_t kUsersAhead = 2;

}  // namespace

BlockTrainer::Side::Side(std::uint32_t slots, std::size_t entries, const RowLayout& layout)
    : layout_(layout), places_(slots), memory_(entries * layout.gradient_stride() + kLanes) {
  sums_ = memory_.data() + FloatsBeforeLine(memory_);
}

void BlockTrainer::Side::Clear() {
  // A stamp is used again after 2^32 sub-batches.
  if (++batch_ == 0) {
    std::ranges::fill(places_, Place());
    batch_ = 1;
  }
  slots_.clear();
  rows_.clear();
  has_one_.clear();
  gradients_.clear();
}

BlockTrainer::Side::Touched BlockTrainer::Side::Touch(std::uint32_t slot, const SlabRows& from) {
  Place& place = places_[slot];
  if (place.batch == batch_) {
    has_one_[place.entry] = 0;
    return {place.entry, false};
  }
  place = {batch_, static_cast<std::uint32_t>(slots_.size())};
  slots_.push_back(slot);
  // The whole sub-batch: its rows fit the second cache, and wait for nobody while it is made.
  rows_.push_back(from.rows + slot * from.stride);
  layout_.Prefetch(rows_.back());
  has_one_.push_back(1);
  gradients_.push_back({.sum = sums_ + place.entry * layout_.gradient_stride()});
  return {place.entry, true};
}

BlockTrainer::BlockTrainer(const Options& options, std::span<const PartitionSamples> samples)
    : options_(options),
      sub_batch_(std::max(1U, options_.batch_size / options_.schedule.partitions())),
      users_(SlotsMax(options_.users), EntriesMax(samples), options_.layout),
      items_(SlotsMax(options_.items), EntriesMax(samples), options_.layout) {
  Check(samples.size() == options_.range.size(), "samples are by partition of the seat's range");
  const Partitioning partitioning(options_.schedule.partitions());
  for (std::uint32_t p = options_.range.first; p < options_.range.last; ++p) {
    samples_.emplace_back(samples[p - options_.range.first], partitioning, PartitionId{p});
    Activity::Tick();
  }
}

std::size_t BlockTrainer::EntriesMax(std::span<const PartitionSamples> samples) const {
  std::size_t most = 0;
  for (const PartitionSamples& of_partition : samples) {
    most = std::max(most, of_partition.training().size());
  }
  return std::min<std::size_t>(most, sub_batch_);
}

std::uint32_t BlockTrainer::SlotsMax(std::uint32_t rows) const {
  return (rows + options_.schedule.partitions() - 1) / options_.schedule.partitions();
}

absl::Status BlockTrainer::Train(const Segment& segment, std::span<ObjectiveSums> sums) {
  Check(sums.size() == options_.range.size(), "sums are by partition of the seat's range");
  return options_.order == Order::kWave ? TrainWave(segment, sums) : TrainSubEpochs(segment, sums);
}

absl::Status BlockTrainer::TrainSubEpochs(const Segment& segment, std::span<ObjectiveSums> sums) {
  for (std::uint64_t j = segment.first; j < segment.last; ++j) {
    for (std::uint32_t k = 0; k < options_.range.size(); ++k) {
      const PartitionId p = PartitionAt(k);
      const absl::StatusOr<SlabRows> user_rows = options_.rows->Users(p);
      if (!user_rows.ok()) return user_rows.status();
      absl::Status trained = TrainBlock(segment, j, p, *user_rows, sums[k]);
      options_.rows->ReleaseUsers(p);
      if (!trained.ok()) return trained;
    }
  }
  return absl::OkStatus();
}

absl::Status BlockTrainer::TrainWave(const Segment& segment, std::span<ObjectiveSums> sums) {
  std::vector<std::uint64_t> next(options_.range.size(), segment.first);  // By partition.
  const auto is_done = [&segment](std::uint64_t j) { return j == segment.last; };
  while (!std::ranges::all_of(next, is_done)) {
    const std::vector<std::uint64_t> before = next;
    for (std::uint32_t k = options_.range.size(); k-- > 0;) {
      absl::Status visited = Visit(segment, k, next, sums[k]);
      if (!visited.ok()) return visited;
    }
    if (next != before) continue;
    const Profile::Scope scope(options_.profile, Phase::kWaitRows);
    if (absl::Status came = options_.rows->AwaitItems(); !came.ok()) return came;
  }
  return absl::OkStatus();
}

absl::Status BlockTrainer::Visit(const Segment& segment, std::uint32_t k,
                                 std::vector<std::uint64_t>& next, ObjectiveSums& sums) {
  const PartitionId p = PartitionAt(k);
  const auto can_go_on = [&]() -> absl::StatusOr<bool> {
    if (next[k] == segment.last) return false;
    return options_.rows->HasItems(options_.schedule.ItemsOf(p, next[k]),
                                   SubEpochAt(segment, next[k]));
  };
  absl::StatusOr<bool> goes_on = can_go_on();
  if (!goes_on.ok() || !*goes_on) return goes_on.status();
  const absl::StatusOr<SlabRows> user_rows = TakeUsers(p);
  if (!user_rows.ok()) return user_rows.status();
  // Where the wave comes next, round the range.
  const std::uint32_t count = options_.range.size();
  for (std::uint32_t ahead = 1; ahead <= std::min(kUsersAhead, count - 1); ++ahead) {
    const std::uint32_t coming = (k + count - ahead) % count;
    if (next[coming] < segment.last) options_.rows->AnnounceUsers(PartitionAt(coming));
  }
  absl::Status trained;
  while (trained.ok() && *goes_on) {
    trained = TrainBlock(segment, next[k], p, *user_rows, sums);
    if (!trained.ok()) break;
    ++next[k];
    goes_on = can_go_on();
    if (!goes_on.ok()) trained = goes_on.status();
  }
  options_.rows->ReleaseUsers(p);
  return trained;
}

absl::StatusOr<SlabRows> BlockTrainer::TakeUsers(PartitionId p) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.rows->Users(p);
}

absl::StatusOr<SlabRows> BlockTrainer::TakeItems(PartitionId q, std::uint64_t sub_epoch) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.rows->Items(q, sub_epoch);
}

std::span<const BlockSample> BlockTrainer::SamplesOf(const Segment& segment, std::uint64_t j,
                                                     PartitionId p, PartitionId q) {
  const Profile::Scope scope(options_.profile, Phase::kLoader);
  return samples_[Index(p) - options_.range.first].Round(q, options_.shuffle_seed, segment.epoch,
                                                         options_.schedule.RoundOf(j),
                                                         options_.schedule.rounds());
}

void BlockTrainer::PassItems(PartitionId q, std::uint64_t sub_epoch) {
  const Profile::Scope scope(options_.profile, Phase::kPush);
  options_.rows->PassItems(q, sub_epoch);
}

absl::Status BlockTrainer::TrainBlock(const Segment& segment, std::uint64_t j, PartitionId p,
                                      const SlabRows& user_rows, ObjectiveSums& sums) {
  Activity::Tick();
  const BlockSchedule& schedule = options_.schedule;
  const PartitionId q = schedule.ItemsOf(p, j);
  const absl::StatusOr<SlabRows> item_rows = TakeItems(q, SubEpochAt(segment, j));
  if (!item_rows.ok()) return item_rows.status();
  const std::span<const BlockSample> samples = SamplesOf(segment, j, p, q);
  const std::size_t count = (samples.size() + sub_batch_ - 1) / sub_batch_;
  for (std::size_t k = 0; k < count; ++k) {
    Activity::Tick();
    const SampleRange range = SamplesOfBatch(samples.size(), k, count);
    Make(samples.subspan(range.first, range.last - range.first), user_rows, *item_rows);
    const std::uint64_t step = segment.first_step + schedule.StepAt(j, k, count);
    options_.rows->CatchUpUsers(p, step, users_.slots());
    options_.rows->CatchUpItems(q, step, items_.slots());
    const PairBatch pairs{.samples = pairs_,
                          .user_rows = users_.rows(),
                          .item_rows = items_.rows(),
                          .user_gradients = users_.sums(),
                          .item_gradients = items_.sums(),
                          .user_has_one = users_.has_one(),
                          .one_gradients = users_.gradients(),
                          .gradient_stride = options_.layout.gradient_stride(),
                          .padded_dim = options_.layout.padded_dim()};
    {
      const Profile::Scope scope(options_.profile, Phase::kGradient);
      options_.kernels->pair_gradient(pairs, options_.objective, sums);
    }
    const Profile::Scope scope(options_.profile, Phase::kApply);
    options_.rows->ApplyUsers(p, step, users_.ToApply());
    options_.rows->ApplyItems(q, step, items_.ToApply());
  }
  PassItems(q, SubEpochAt(segment, j));
  return absl::OkStatus();
}

void BlockTrainer::Make(std::span<const BlockSample> samples, const SlabRows& user_rows,
                        const SlabRows& item_rows) {
  const Profile::Scope scope(options_.profile, Phase::kUniqueIds);
  users_.Clear();
  items_.Clear();
  pairs_.clear();
  for (std::size_t s = 0; s < samples.size(); ++s) {
    if (s + kPlacesAhead < samples.size()) {
      users_.Prefetch(samples[s + kPlacesAhead].user);
      items_.Prefetch(samples[s + kPlacesAhead].item);
    }
    const Side::Touched user = users_.Touch(samples[s].user, user_rows);
    const Side::Touched item = items_.Touch(samples[s].item, item_rows);
    pairs_.push_back({.user = user.entry & 0x7fffffffU,
                      .user_is_first = user.is_first ? 1U : 0U,
                      .item = item.entry & 0x7fffffffU,
                      .item_is_first = item.is_first ? 1U : 0U,
                      .rating = samples[s].rating});
  }
}

}  // namespace cf
