#include "worker/block_trainer.h"

#include <algorithm>
#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/kernels/aligned.h"

namespace cf {
namespace {

// The places of samples this far ahead are fetched while a sub-batch is made.
constexpr std::size_t kPlacesAhead = 12;
// Visits that are announced: so that the users of one are being read while another's wait, where
// there is room for both.
constexpr std::uint32_t kVisitsAhead = 2;

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

BlockTrainer::BlockTrainer(const Options& options)
    : options_(options),
      sub_batch_(std::max(1U, options_.batch_size / options_.schedule.partitions())),
      users_(SlotsMax(options_.users), EntriesMax(), options_.layout),
      items_(SlotsMax(options_.items), EntriesMax(), options_.layout) {
  Check(options_.samples->range() == options_.wave->range(), "samples are those of the rank");
}

std::size_t BlockTrainer::EntriesMax() const {
  return std::min<std::size_t>(options_.samples->largest(), sub_batch_);
}

std::uint32_t BlockTrainer::SlotsMax(std::uint32_t rows) const {
  return (rows + options_.schedule.partitions() - 1) / options_.schedule.partitions();
}

absl::Status BlockTrainer::Train(const Segment& segment, std::span<ObjectiveSums> sums) {
  Check(sums.size() == options_.wave->range().size(), "sums are by partition of the rank");
  do {
    const std::optional<Wave::Visit> visit = options_.wave->Take();
    if (!visit.has_value()) break;
    // Threads beside this one write the sums of the neighbours.
    ObjectiveSums& of_partition = sums[Index(visit->partition) - options_.wave->range().first];
    ObjectiveSums own = of_partition;
    std::uint64_t next = visit->first;
    absl::Status trained = TrainVisit(segment, *visit, next, own);
    of_partition = own;
    options_.wave->End(*visit, next);
    if (!trained.ok()) return trained;
  } while (Clock::now() < segment.deadline);
  return absl::OkStatus();
}

absl::Status BlockTrainer::TrainVisit(const Segment& segment, const Wave::Visit& visit,
                                      std::uint64_t& next, ObjectiveSums& sums) {
  const PartitionId p = visit.partition;
  const absl::StatusOr<SlabRows> user_rows = TakeUsers(p);
  if (!user_rows.ok()) return user_rows.status();
  const absl::StatusOr<BlockRounds*> samples = TakeSamples(p);
  absl::Status trained = samples.status();
  AnnounceVisits();
  // A block at least: whatever time the users took to come, they are there now.
  while (trained.ok() && next < visit.last &&
         (next == visit.first || Clock::now() < segment.deadline)) {
    const PartitionId q = options_.schedule.ItemsOf(p, next);
    const absl::StatusOr<std::optional<SlabRows>> item_rows = TakeItems(q, segment, next);
    trained = item_rows.status();
    if (!trained.ok() || !item_rows->has_value()) break;
    TrainBlock(segment, {p, q, next, *samples, *user_rows, **item_rows}, sums);
    trained = PassItems(q, SubEpochAt(segment, next));
    if (!trained.ok()) break;
    ++next;
  }
  if (samples.ok()) options_.samples->Release(p);
  if (trained.ok() && next == options_.schedule.sub_epochs() && options_.at_epoch_end) {
    trained = options_.at_epoch_end(p);
  }
  options_.rows->ReleaseUsers(p);
  return trained;
}

absl::StatusOr<SlabRows> BlockTrainer::TakeUsers(PartitionId p) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.rows->Users(p);
}

absl::StatusOr<BlockRounds*> BlockTrainer::TakeSamples(PartitionId p) {
  const Profile::Scope scope(options_.profile, Phase::kLoader);
  return options_.samples->Pin(p);
}

void BlockTrainer::AnnounceVisits() {
  for (const PartitionId coming : options_.wave->Coming(kVisitsAhead)) {
    options_.rows->AnnounceUsers(coming);
    options_.samples->Announce(coming);
  }
}

absl::StatusOr<std::optional<SlabRows>> BlockTrainer::TakeItems(PartitionId q,
                                                                const Segment& segment,
                                                                std::uint64_t j) {
  const Profile::Scope scope(options_.profile, Phase::kWaitRows);
  return options_.rows->Items(q, SubEpochAt(segment, j), segment.deadline);
}

absl::Status BlockTrainer::PassItems(PartitionId q, std::uint64_t sub_epoch) {
  const Profile::Scope scope(options_.profile, Phase::kPush);
  return options_.rows->PassItems(q, sub_epoch);
}

BlockRound BlockTrainer::SamplesOf(const Segment& segment, const Block& block) {
  const Profile::Scope scope(options_.profile, Phase::kLoader);
  return block.samples->Round(block.q, options_.shuffle_seed, segment.epoch,
                              options_.schedule.RoundOf(block.j), options_.schedule.rounds());
}

void BlockTrainer::TrainBlock(const Segment& segment, const Block& block, ObjectiveSums& sums) {
  Activity::Tick();
  FaultAt("train.block");
  const BlockRound samples = SamplesOf(segment, block);
  const std::size_t count = (samples.size() + sub_batch_ - 1) / sub_batch_;
  for (std::size_t k = 0; k < count; ++k) {
    Activity::Tick();
    samples.Take(SamplesOfBatch(samples.size(), k, count), taken_);
    Make(taken_, block.user_rows, block.item_rows);
    const std::uint64_t step = segment.first_step + options_.schedule.StepAt(block.j, k, count);
    options_.rows->CatchUpUsers(block.p, step, users_.slots());
    options_.rows->CatchUpItems(block.q, step, items_.slots());
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
    options_.rows->ApplyUsers(block.p, step, users_.ToApply());
    options_.rows->ApplyItems(block.q, step, items_.ToApply());
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
