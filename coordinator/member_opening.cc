// A member from its place in the job to seats with rows and samples: opened anew, or kept from the
// generation before.

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "coordinator/member.h"
#include "coordinator/starting_biases.h"
#include "paramserver/row_files.h"

namespace cf {
namespace {

// Batches that are made ahead where rows are on disk, beside the one of any job: their reads are under
// way while one waits or is computed, or an extent of the store is packed.
constexpr std::uint32_t kLookahead = 3;

}  // namespace

absl::Status Member::OpenSeats() {
  const TrainingData& data = *options_.data;
  const Placement& placement = *options_.placement;
  exchange_ = std::make_unique<Exchange>(
      placement, options_.rank, LayoutsOf(tables_), options_.mesh,
      ExchangeOptions{.depth = options_.job.train().delay() + 1,
                      .transfers_depth = 2 * options_.job.train().partitions(),
                      .shared_memory = options_.job.cluster().shared_memory()});
  if (absl::Status opened = OpenStore(); !opened.ok()) return opened;

  const std::vector<std::uint32_t> serving = placement.servers().OnRank(options_.rank);
  const std::vector<std::uint32_t> working = placement.workers().OnRank(options_.rank);
  seats_.resize(std::max(serving.size(), working.size()));
  for (std::size_t k = 0; k < serving.size(); ++k) {
    seats_[k].service = std::make_unique<RowService>(RowService::Options{
        .seat = serving[k],
        .tables = tables_,
        .optimizer = &optimizer_,
        .kernels = &kernels_,
        .exchange = exchange_.get(),
        .store = store_.get(),
        .profile = seats_[k].profile.get(),
        .rows_in_place = options_.job.train().delay() == 0,
        .steps =
            options_.snapshot != nullptr ? options_.snapshot->manifest().position().step() : 0});
    seats_[k].served = seats_[k].service->range();
  }
  for (std::size_t k = 0; k < working.size(); ++k) {
    seats_[k].worked = placement.workers().range(working[k]);
  }
  if (has_samples_on_disk()) {
    if (absl::Status opened = OpenSamplesFolder(); !opened.ok()) return opened;
    if (blocks_.has_value() && options_.trains) {
      // Before rows take the memory that sorting samples needs.
      if (absl::Status opened = OpenMovingSamples(); !opened.ok()) return opened;
    }
  }
  if (absl::Status begun = BeginRows(); !begun.ok()) return begun;
  const std::vector<const RowHost*> hosts = HostsInPlace();
  for (std::size_t k = 0; k < working.size(); ++k) {
    seats_[k].rows = std::make_unique<RowClient>(
        RowClient::Options{.seat = working[k],
                           .exchange = exchange_.get(),
                           .host = seats_[k].service.get(),
                           .hosts_in_place = hosts,
                           .copies_own = options_.job.train().delay() > 0,
                           .profile = seats_[k].profile.get()});
  }
  const std::uint32_t lookahead = store_ != nullptr && !store_->keeps_all() ? kLookahead : 0;
  KeptSamples* const kept_samples = options_.kept == nullptr ? nullptr : &options_.kept->samples;
  // On the threads that will use them, so that memory is near.
  absl::Status opened = OnSeats([&](Seat& seat) -> absl::Status {
    if (absl::Status rows = OpenRows(seat); !rows.ok()) return rows;
    if (seat.rows == nullptr) return absl::OkStatus();
    const std::string scratch =
        samples_folder_.has_value()
            ? absl::StrCat(samples_folder_->path(), "/", &seat - seats_.data(), "-")
            : "";
    seat.trainer =
        std::make_unique<Trainer>(Trainer::Options{.rows = seat.rows.get(),
                                                   .kernels = &kernels_,
                                                   .objective = data.MakeObjective(),
                                                   .model = data.model.get(),
                                                   .features = data.features,
                                                   .shuffle_seed = options_.job.train().seed(),
                                                   .user_group = options_.job.train().user_group(),
                                                   .delay = options_.job.train().delay(),
                                                   .lookahead = lookahead,
                                                   .samples_scratch = scratch,
                                                   .kept_samples = kept_samples,
                                                   .profile = seat.profile.get()},
                                  data.data, data.split);
    return absl::OkStatus();
  });
  if (!store_makes_rows_) initial_.reset();
  return opened.ok() && blocks_.has_value() ? OpenBlocks() : opened;
}

absl::Status Member::OpenStore() {
  const Placement& placement = *options_.placement;
  const SeatRange range = placement.servers().RangeOnRank(options_.rank);
  if (range.size() == 0) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<RowStore>> store = MakeStore(range);
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  if (options_.snapshot_copies == 0) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<FrozenMemory>> copies =
      FrozenMemory::Open(options_.snapshot_copies);
  if (!copies.ok()) return copies.status();
  copies_ = *std::move(copies);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RowStore>> Member::MakeStore(SeatRange range) {
  KeptPartitions* const kept = options_.kept;
  if (kept != nullptr && kept->store != nullptr) {
    std::vector<RowHistory> histories = std::move(kept->histories);
    const SeatRange before = kept->store->range();
    if (absl::Status moved = kept->store->MoveTo(range); !moved.ok()) return moved;
    for (std::uint32_t p = range.first; p < range.last; ++p) {
      if (before.Contains(PartitionId{p})) histories_[p] = histories[p];
    }
    return std::move(kept->store);
  }
  return options_.make_store(StoredTables(tables_, options_.job),
                             options_.placement->partitioning(), range);
}

KeptPartitions Member::Keep() {
  KeptPartitions kept;
  if (store_ != nullptr && store_->AsSlabs() != nullptr) {
    kept.store.reset(store_.release()->AsSlabs());
    kept.histories = std::move(histories_);
  }
  kept.samples.resize(sums_.size());
  for (const Seat& seat : seats_) {
    if (seat.trainer != nullptr) seat.trainer->GiveSamplesTo(kept.samples);
  }
  return kept;
}

absl::Status Member::BeginRows() {
  if (store_ == nullptr) return absl::OkStatus();
  initial_ = std::make_unique<InitialRows>(
      tables_, InitialValues{.seed = options_.job.model().seed(),
                             .optimizer_state = optimizer_.initial_state()});
  if (options_.snapshot == nullptr) {
    StartingBiases start = MakeStartingBiases(*options_.data);
    if (!start.counts.empty()) initial_->SetBiases(kItems, std::move(start.counts));
    if (start.baseline.has_value()) {
      initial_->SetBaseline(kUsers, BaselineSide::kUser, std::move(start.baseline->users));
      initial_->SetBaseline(kItems, BaselineSide::kItem, std::move(start.baseline->items));
    }
  }
  std::vector<SeatRange> threads;
  for (const Seat& seat : seats_) {
    if (seat.service != nullptr) threads.push_back(seat.served);
  }
  const absl::StatusOr<bool> makes = store_->Begin({.threads = threads, .maker = initial_.get()});
  if (!makes.ok()) return makes.status();
  store_makes_rows_ = *makes;
  return absl::OkStatus();
}

absl::Status Member::OpenRows(const Seat& seat) {
  if (options_.snapshot == nullptr && store_makes_rows_) return absl::OkStatus();
  if (options_.snapshot != nullptr && seat.served.size() > 0) {
    absl::Status fits = CheckShapes(tables_, *options_.snapshot);
    if (!fits.ok()) return fits;
  }
  for (std::uint32_t p = seat.served.first; p < seat.served.last; ++p) {
    FaultAt("rows.open");
    if (absl::Status opened = OpenPartition(PartitionId{p}); !opened.ok()) return opened;
  }
  return absl::OkStatus();
}

absl::Status Member::OpenPartition(PartitionId partition) {
  RowHistory& history = histories_[Index(partition)];
  if (options_.snapshot == nullptr) {
    history = {};
    return InitializeRows(tables_, options_.placement->partitioning(), partition, *initial_,
                          *store_);
  }
  const SnapshotTime time = TimeOf(options_.snapshot->manifest());
  const std::optional<Filed> state = history.StateOf(time);
  if (state.has_value()) {
    const absl::StatusOr<std::uint64_t> taken =
        RestoreRows(tables_, *options_.snapshot, partition, *state, *store_->AsSlabs());
    if (!taken.ok()) return taken.status();
    history.Restore(*state);
    opened_rows_.kept += store_->Rows(partition) - *taken;
    opened_rows_.put_back += *taken;
    return absl::OkStatus();
  }
  history = {};
  opened_rows_.loaded += store_->Rows(partition);
  absl::Status loaded = LoadRows(tables_, *options_.snapshot, partition, *store_);
  // Of another run's snapshots nobody knows which rows have changed between them.
  if (loaded.ok() && has_bases_) history.committed = time;
  return loaded;
}

absl::Status Member::OpenSamplesFolder() {
  absl::StatusOr<ScratchFolder> folder = ScratchFolder::Open(options_.scratch_directory);
  if (!folder.ok()) return folder.status();
  samples_folder_ = *std::move(folder);
  return absl::OkStatus();
}

absl::Status Member::OpenMovingSamples() {
  const SeatRange range{seats_.front().worked.first, seats_.back().worked.last};
  std::vector<bool> stays;
  for (std::uint32_t p = range.first; p < range.last; ++p) {
    stays.push_back(store_->KeepsUsersOf(PartitionId{p}));
  }
  absl::StatusOr<std::unique_ptr<MovingSamples>> moving =
      MovingSamples::Open({.data = &options_.data->data,
                           .split = &options_.data->split,
                           .partitioning = options_.placement->partitioning(),
                           .range = range,
                           .stays = stays,
                           .threads = static_cast<std::uint32_t>(seats_.size()),
                           .folder = samples_folder_->path()});
  if (!moving.ok()) return moving.status();
  moving_samples_ = *std::move(moving);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RankSamples>> Member::MakeBlockSamples() {
  const TrainingData& data = *options_.data;
  const SeatRange range = wave_->range();
  std::vector<bool> moves(range.size());
  for (std::uint32_t p = 0; moving_samples_ != nullptr && p < range.size(); ++p) {
    moves[p] = !store_->KeepsUsersOf(PartitionId{range.first + p});
  }
  // On the threads that will use them, so that memory is near.
  std::vector<std::vector<BlockSamples>> of_seats(seats_.size());
  absl::Status made = OnSeats([&](Seat& seat) {
    const auto first = moves.begin() + (seat.worked.first - range.first);
    of_seats[static_cast<std::size_t>(&seat - seats_.data())] =
        BlockSamples::Make(data.data, data.split, options_.placement->partitioning(), seat.worked,
                           {first, first + seat.worked.size()});
    return absl::OkStatus();
  });
  if (!made.ok()) return made;
  std::vector<BlockSamples> stay;
  for (std::vector<BlockSamples>& of_seat : of_seats) {
    std::ranges::move(of_seat, std::back_inserter(stay));
  }
  return std::make_unique<RankSamples>(range, std::move(stay), std::move(moving_samples_),
                                       std::move(moves));
}

absl::Status Member::OpenBlocks() {
  const TrainingData& data = *options_.data;
  const SeatRange range{seats_.front().worked.first, seats_.back().worked.last};
  item_places_ = std::make_unique<ItemPlaces>(
      ItemPlaces::Options{.seats = options_.placement->workers().OnRank(options_.rank),
                          .store = store_.get(),
                          .exchange = exchange_.get(),
                          .items = tables_[Index(kItems)],
                          .schedule = *blocks_});
  wave_ = std::make_unique<Wave>(range);
  if (!options_.trains) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<RankSamples>> samples = MakeBlockSamples();
  if (!samples.ok()) return samples.status();
  block_samples_ = *std::move(samples);
  return OnSeats([&](Seat& seat) {
    seat.block_host = std::make_unique<BlockHost>(
        BlockHost::Options{.store = store_.get(),
                           .places = item_places_.get(),
                           .optimizer = &optimizer_,
                           .kernels = &kernels_,
                           .tables = tables_,
                           .partitioning = options_.placement->partitioning()});
    seat.block_trainer = std::make_unique<BlockTrainer>(BlockTrainer::Options{
        .schedule = *blocks_,
        .batch_size = options_.job.train().batch_size(),
        .users = data.data.users(),
        .items = data.data.items(),
        .layout = RowLayout(tables_[Index(kUsers)].shape),
        .objective = data.MakeObjective(),
        .shuffle_seed = options_.job.train().seed(),
        .kernels = &kernels_,
        .wave = wave_.get(),
        .samples = block_samples_.get(),
        .rows = seat.block_host.get(),
        .at_epoch_end = [this, &seat](PartitionId users) { return NoteUserPenalty(seat, users); },
        .profile = seat.profile.get()});
    return absl::OkStatus();
  });
}

}  // namespace cf
