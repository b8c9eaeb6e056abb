#include "worker/moving_samples.h"

#include <algorithm>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "worker/canonical_file.h"

namespace cf {
namespace {

/// Whether slots of all partitions fit SmallBlockSample.
bool AreSmall(Partitioning partitioning, std::uint32_t users, std::uint32_t items) {
  return partitioning.RowsMax(std::max(users, items)) <= std::size_t{1} << 16;
}

/// Where each of `partitions` blocks ends is in front of the samples.
std::size_t HeadBytes(std::uint32_t partitions) {
  return partitions * sizeof(std::uint64_t);
}

template <class Stored>
void Sort(std::span<const Sample> samples, Partitioning partitioning, std::span<std::byte> into) {
  const std::span ends(reinterpret_cast<std::uint64_t*>(into.data()), partitioning.count());
  auto* const sorted = reinterpret_cast<Stored*>(into.data() + HeadBytes(partitioning.count()));
  std::ranges::fill(ends, 0);
  for (const Sample& sample : samples) ++ends[Index(partitioning.Of(sample.item))];
  // Where each block begins; what is put there moves it to where it ends.
  std::uint64_t begin = 0;
  for (std::uint64_t& end : ends) begin += std::exchange(end, begin);
  using Slot = decltype(Stored::user);
  for (const Sample& sample : samples) {
    sorted[ends[Index(partitioning.Of(sample.item))]++] = {
        .user = static_cast<Slot>(partitioning.SlotOf(sample.user)),
        .item = static_cast<Slot>(partitioning.SlotOf(sample.item)),
        .rating = sample.rating};
  }
}

}  // namespace

// --- The file ------------------------------------------------------------------------------------

std::size_t MovingSamples::FrameBytes(std::uint64_t samples, Partitioning partitioning,
                                      std::uint32_t users, std::uint32_t items) {
  const std::size_t each =
      AreSmall(partitioning, users, items) ? sizeof(SmallBlockSample) : sizeof(BlockSample);
  return InWholePages(HeadBytes(partitioning.count()) + samples * each);
}

absl::Status MovingSamples::SortBlocks(const Options& options, const PieceFile& canonical,
                                       PieceFile& into) {
  const bool small = AreSmall(options.partitioning, options.data->users(), options.data->items());
  const std::uint32_t count = options.range.size();
  std::uint64_t canonical_max = 0;
  std::uint64_t into_max = 0;
  for (std::uint32_t p = 0; p < count; ++p) {
    canonical_max = std::max(canonical_max, canonical.SectionBytes(p));
    into_max = std::max(into_max, into.SectionBytes(p));
  }
  std::vector<Sample> samples(canonical_max / sizeof(Sample));
  const Pages sorted = MakePages(into_max);
  for (std::uint32_t p = 0; p < count; ++p) {
    Activity::Tick();
    if (into.SectionBytes(p) == 0) continue;
    const std::span of_partition =
        std::span(samples).first(canonical.SectionBytes(p) / sizeof(Sample));
    absl::Status done = canonical.Read(p, 0, std::as_writable_bytes(of_partition));
    if (!done.ok()) return done;
    const std::span<std::byte> bytes(sorted.get(), into.SectionBytes(p));
    if (small) {
      Sort<SmallBlockSample>(of_partition, options.partitioning, bytes);
    } else {
      Sort<BlockSample>(of_partition, options.partitioning, bytes);
    }
    if (done = into.Write(p, 0, bytes); !done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MovingSamples>> MovingSamples::Open(const Options& options) {
  const Dataset& data = *options.data;
  // One way through the data set, and then partition by partition.
  absl::StatusOr<std::unique_ptr<PieceFile>> canonical =
      WriteCanonical({.data = data,
                      .split = *options.split,
                      .partitioning = options.partitioning,
                      .range = options.range,
                      .leaves_out = options.stays},
                     absl::StrCat(options.folder, "/canonical"));
  if (!canonical.ok()) return canonical.status();
  std::vector<std::uint64_t> bytes;
  std::uint64_t largest = 0;
  for (std::uint32_t p = 0; p < options.range.size(); ++p) {
    const std::uint64_t samples = (*canonical)->SectionBytes(p) / sizeof(Sample);
    largest = std::max(largest, samples);
    bytes.push_back(options.stays[p]
                        ? 0
                        : FrameBytes(samples, options.partitioning, data.users(), data.items()));
  }
  absl::StatusOr<std::unique_ptr<PieceFile>> file =
      PieceFile::Create(absl::StrCat(options.folder, "/samples"), bytes,
                        PieceFile::PieceBytesFor(options.range.size()), PieceFile::Access::kDirect);
  if (!file.ok()) return file.status();
  if (absl::Status sorted = SortBlocks(options, **canonical, **file); !sorted.ok()) return sorted;
  canonical->reset();
  std::unique_ptr<MovingSamples> moving(new MovingSamples(options, *std::move(file), largest));
  const bool small = AreSmall(options.partitioning, data.users(), data.items());
  for (std::uint32_t k = 0; k < FramesFor(options.threads); ++k) {
    moving->places_.push_back(
        {.frame = Frame(std::ranges::max(bytes), options.partitioning, small)});
  }
  moving->reader_ =
      std::jthread([own = moving.get()](const std::stop_token& stop) { own->ReadAhead(stop); });
  return moving;
}

MovingSamples::MovingSamples(const Options& options, std::unique_ptr<PieceFile> file,
                             std::uint64_t largest)
    : range_(options.range), file_(std::move(file)), largest_(largest) {
}

MovingSamples::~MovingSamples() {
  reader_.request_stop();
  if (reader_.joinable()) reader_.join();
}

// --- Frames --------------------------------------------------------------------------------------

BlockRound MovingSamples::Frame::Round(PartitionId q, std::uint64_t seed, std::uint64_t epoch,
                                       std::uint32_t round, std::uint32_t rounds) {
  const std::uint32_t partitions = partitioning_.count();
  const std::span ends(reinterpret_cast<const std::uint64_t*>(bytes_.get()), partitions);
  const std::byte* const samples = bytes_.get() + HeadBytes(partitions);
  const std::uint64_t first = Index(q) == 0 ? 0 : ends[Index(q) - 1];
  const std::uint64_t count = ends[Index(q)] - first;
  const SampleRange range = SamplesOfBatch(count, round, rounds);
  if (count > BlockSamples::kSmallMax) {
    if (order_.index() == 0) order_.emplace<std::vector<std::uint32_t>>();
  } else if (order_.index() == 1) {
    order_.emplace<std::vector<std::uint16_t>>();
  }
  const auto order_of_round = [&](auto& order) -> BlockRound::Order {
    order.resize(count);
    ShuffleBlock(std::span(order), seed, epoch, partition_, q, partitions, range.first);
    const std::span<const typename std::decay_t<decltype(order)>::value_type> places = order;
    return places.subspan(range.first, range.last - range.first);
  };
  const BlockRound::Order order = std::visit(order_of_round, order_);
  if (small_) {
    return {std::span(reinterpret_cast<const SmallBlockSample*>(samples) + first, count), order};
  }
  return {std::span(reinterpret_cast<const BlockSample*>(samples) + first, count), order};
}

MovingSamples::Place* MovingSamples::Find(PartitionId partition) {
  for (Place& place : places_) {
    if (place.state != Place::State::kFree && place.frame.partition() == partition) return &place;
  }
  return nullptr;
}

MovingSamples::Place* MovingSamples::FindRoom(bool for_pin) {
  Place* room = nullptr;
  for (Place& place : places_) {
    if (place.state == Place::State::kFree) return &place;
    if (place.state == Place::State::kReading || place.pinned) continue;
    if (place.announced && !for_pin) continue;
    if (room == nullptr || (room->announced && !place.announced)) room = &place;
  }
  return room;
}

void MovingSamples::Read(Lock& lock, Place& place, PartitionId partition) {
  const std::size_t section = Index(partition) - range_.first;
  const std::span<std::byte> bytes = place.frame.BytesFor(partition, file_->SectionBytes(section));
  place.state = Place::State::kReading;
  lock.unlock();
  absl::Status read = file_->Read(section, 0, bytes);
  lock.lock();
  place.state = read.ok() ? Place::State::kHere : Place::State::kFree;
  if (!read.ok() && failed_.ok()) failed_ = std::move(read);
  changes_.notify_all();
}

void MovingSamples::Announce(PartitionId partition) {
  {
    const std::lock_guard lock(mutex_);
    if (Place* const place = Find(partition); place != nullptr) {
      place->announced = !place->pinned;
      return;
    }
    if (std::ranges::find(announced_, partition) != announced_.end()) return;
    announced_.push_back(partition);
  }
  changes_.notify_all();
}

absl::StatusOr<BlockRounds*> MovingSamples::Pin(PartitionId partition) {
  Lock lock(mutex_);
  std::erase(announced_, partition);
  for (;;) {
    if (!failed_.ok()) return failed_;
    Place* place = Find(partition);
    if (place != nullptr && place->state == Place::State::kHere) {
      place->pinned = true;
      place->announced = false;
      return &place->frame;
    }
    if (place == nullptr) place = FindRoom(/*for_pin=*/true);
    if (place != nullptr && place->state != Place::State::kReading) {
      Read(lock, *place, partition);
    } else {
      // Fewer are pinned than there are frames: the other is being read.
      changes_.wait(lock);
    }
  }
}

void MovingSamples::Release(PartitionId partition) {
  {
    const std::lock_guard lock(mutex_);
    Place* const place = Find(partition);
    Check(place != nullptr && place->pinned, "what is released was pinned");
    place->pinned = false;
  }
  changes_.notify_all();
}

void MovingSamples::ReadAhead(const std::stop_token& stop) {
  Lock lock(mutex_);
  const auto can_read = [this] {
    return failed_.ok() && !announced_.empty() && FindRoom(/*for_pin=*/false) != nullptr;
  };
  while (changes_.wait(lock, stop, can_read)) {
    const PartitionId partition = announced_.front();
    announced_.pop_front();
    if (Find(partition) != nullptr) continue;
    Place& place = *FindRoom(/*for_pin=*/false);
    place.announced = true;
    Read(lock, place, partition);
  }
}

// --- All of a rank -------------------------------------------------------------------------------

RankSamples::RankSamples(SeatRange range, std::vector<BlockSamples> stay,
                         std::unique_ptr<MovingSamples> moving, std::vector<bool> moves)
    : range_(range), stay_(std::move(stay)), moving_(std::move(moving)), moves_(std::move(moves)) {
  Check(stay_.size() == range_.size() && moves_.size() == range_.size(),
        "samples are by partition of the rank");
}

std::uint64_t RankSamples::largest() const {
  std::uint64_t most = moving_ != nullptr ? moving_->largest() : 0;
  for (const BlockSamples& of_partition : stay_) {
    most = std::max<std::uint64_t>(most, of_partition.size());
  }
  return most;
}

void RankSamples::Announce(PartitionId partition) {
  if (Moves(partition)) moving_->Announce(partition);
}

absl::StatusOr<BlockRounds*> RankSamples::Pin(PartitionId partition) {
  if (Moves(partition)) return moving_->Pin(partition);
  return &stay_[Index(partition) - range_.first];
}

void RankSamples::Release(PartitionId partition) {
  if (Moves(partition)) moving_->Release(partition);
}

}  // namespace cf
