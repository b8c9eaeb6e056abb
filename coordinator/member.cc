#include "coordinator/member.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "coordinator/starting_biases.h"
#include "paramserver/row_files.h"
#include "paramserver/slab_store.h"

namespace cf {
namespace {

// Batches that are made ahead where rows are on disk, beside the one of any job: their reads are under
// way while one waits or is computed, or an extent of the store is packed.
constexpr std::uint32_t kLookahead = 3;

KernelTarget TargetOf(const Job& job) {
  switch (job.kernels().target()) {
    case Kernels::AVX2:
      return KernelTarget::kAvx2;
    case Kernels::AVX512:
      return KernelTarget::kAvx512;
    default:
      return KernelTarget::kBest;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowStore>> MakeSlabStore(std::span<const RowStore::Table> tables,
                                                        Partitioning partitioning,
                                                        SeatRange range) {
  return SlabStore::Open(tables, partitioning, range);
}

std::vector<RowStore::Table> StoredTables(std::span<const TableSpec> tables, const Job& job) {
  std::vector<RowStore::Table> stored;
  for (const TableSpec& table : tables) {
    stored.push_back({.rows = table.shape.rows, .stride = RowLayout(table.shape).stride()});
  }
  if (job.train().schedule() == Train::BLOCKS) stored[Index(kItems)].change_places = true;
  return stored;
}

Member::Member(Options options, const KernelSet& kernels)
    : options_(std::move(options)),
      kernels_(kernels),
      optimizer_(options_.job.optimizer(), options_.data->steps_per_epoch(options_.job)),
      blocks_(BlocksOf(options_.job, options_.data->steps_per_epoch(options_.job))),
      tables_(options_.data->Tables()),
      histories_(options_.job.train().partitions()),
      sums_(options_.job.train().partitions()),
      user_penalties_(options_.job.train().partitions()),
      writer_(std::make_unique<SnapshotWriter>(SnapshotWriter::Options{
          .folder = options_.snapshots_folder, .activity = options_.writer_activity})) {
}

absl::StatusOr<std::unique_ptr<Member>> Member::Open(Options options) {
  absl::StatusOr<const KernelSet*> kernels = KernelsFor(TargetOf(options.job));
  if (!kernels.ok()) return kernels.status();
  const Snapshot* snapshot = options.snapshot;
  std::unique_ptr<Member> member(new Member(std::move(options), **kernels));
  if (snapshot != nullptr) {
    member->optimizer_.SetPlateauFactors(PlateauFactorsOf(snapshot->manifest()));
    // A run that goes on from another's snapshot has none of its files, and writes its own.
    std::error_code elsewhere;
    member->has_bases_ = std::filesystem::equivalent(snapshot->folder(),
                                                     member->options_.snapshots_folder, elsewhere);
    for (int p = 0; p < snapshot->manifest().sums_size(); ++p) {
      const PartitionSums& sums = snapshot->manifest().sums(p);
      member->sums_[static_cast<std::size_t>(p)] = {.loss = sums.loss(),
                                                    .squared_error = sums.squared_error(),
                                                    .absolute_error = 0,
                                                    .samples = sums.samples()};
    }
  }
  absl::Status opened = member->OpenSeats();
  if (opened.ok()) return member;
  if (member->options_.kept != nullptr) *member->options_.kept = member->Keep();
  return opened;
}

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

std::vector<const RowHost*> Member::HostsInPlace() const {
  const Placement& placement = *options_.placement;
  std::vector<const RowHost*> hosts(placement.servers().size());
  // With a delay a seat may be some turns ahead of another, so rows are not read from its thread.
  if (options_.job.train().delay() > 0) return hosts;
  const std::vector<std::uint32_t> serving = placement.servers().OnRank(options_.rank);
  for (std::size_t k = 0; k < serving.size(); ++k) hosts[serving[k]] = seats_[k].service.get();
  return hosts;
}

absl::Status Member::OnSeats(const std::function<absl::Status(Seat&)>& work) {
  std::vector<absl::Status> results(seats_.size());
  const auto run = [&](std::size_t k) {
    SetFloatMode();
    results[k] = work(seats_[k]);
    if (!results[k].ok()) exchange_->Close(results[k]);
  };
  const std::span<Activity> activities = options_.activities;
  const auto run_other = [&, doing = Activity::WorkHere()](std::size_t k) {
    ::pthread_setname_np(::pthread_self(), "cf-compute");
    {
      const Activity::Here here(k < activities.size() ? &activities[k] : nullptr, doing);
      run(k);
    }
    if (!activities.empty()) activities.front().Arrive();
  };
  Activity::Until all_done;
  if (!activities.empty()) {
    const std::atomic<std::uint32_t>& arrived = activities.front().arrived();
    all_done = {&arrived, arrived.load() + static_cast<std::uint32_t>(seats_.size() - 1)};
  }
  std::vector<std::jthread> others;
  for (std::size_t k = 1; k < seats_.size(); ++k) others.emplace_back(run_other, k);
  run(0);
  {
    const Activity::Waiting waiting(options_.rank, all_done);
    others.clear();  // Joins.
  }
  for (const Seat& seat : seats_) {
    if (seat.service != nullptr) seat.service->ReleaseRows();
  }
  for (const absl::Status& result : results) {
    if (!result.ok()) return result;
  }
  return absl::OkStatus();
}

absl::StatusOr<Reply> Member::Execute(const Command& command) {
  // Every member has answered SetUp by now.
  exchange_->OfferSharedMemory();
  Reply reply;
  absl::Status done;
  const bool looks_at_rows = !command.has_train() && !command.has_finish_write() &&
                             !command.has_drop_write() && !command.has_committed();
  if (blocks_.has_value() && looks_at_rows) {
    // All but training look for items at home.
    done = BringItemsHome(command);
    if (!done.ok()) return done;
  }
  switch (command.kind_case()) {
    case Command::kTrain:
      done = Train(command.train(), reply);
      if (done.ok()) TellFiles(writer_->Poll(), reply);
      break;
    case Command::kValidate:
      done = Validate(command.validate(), reply);
      break;
    case Command::kMeasureLists:
      done = MeasureLists(command.measure_lists(), reply);
      break;
    case Command::kPenalty:
      done = FindPenalties(reply);
      break;
    case Command::kFindNotFinite:
      done = FindNotFinite(reply);
      break;
    case Command::kWrite:
      done = Write(command.write(), reply);
      break;
    case Command::kFinishWrite:
      TellFiles(writer_->Await(), reply);
      break;
    case Command::kDropWrite:
      writer_->Drop();
      break;
    case Command::kCommitted:
      Commit();
      break;
    default:
      done = absl::DataLossError("a command that this program does not know");
  }
  options_.data->data.GiveBackPages();
  if (!done.ok()) return done;
  return reply;
}

absl::Status Member::Train(const TrainSteps& steps, Reply& reply) {
  optimizer_.SetPlateauFactors({steps.plateau_factors().begin(), steps.plateau_factors().end()});
  if (steps.first_leg() == 0 && steps.next_legs().empty()) {
    std::ranges::fill(sums_, ObjectiveSums());
    std::ranges::fill(user_penalties_, std::nullopt);
  }
  absl::Status done = blocks_.has_value() ? TrainBlocks(steps) : TrainBatches(steps);
  AddFigures(sums_, reply);
  for (PartitionFigures& figures : *reply.mutable_figures()) {
    if (blocks_.has_value()) figures.set_next_leg(next_legs_[figures.partition()]);
  }
  AddProfile(reply);
  AddRefusals(reply);
  return done;
}

absl::Status Member::TrainBlocks(const TrainSteps& steps) {
  const BlockTrainer::Clock::time_point begin = BlockTrainer::Clock::now();
  const SeatRange range = wave_->range();
  epoch_ = steps.epoch();
  steps_per_epoch_ = steps.steps_per_epoch();
  next_legs_.assign(sums_.size(), steps.first_leg());
  if (absl::Status said = HearNextLegs(steps.next_legs()); !said.ok()) return said;
  if (absl::Status left = item_places_->Leave(NextSubEpochs()); !left.ok()) {
    exchange_->Close(left);
    return left;
  }
  wave_->Begin(steps.first_leg(), steps.last_leg(),
               std::span(next_legs_).subspan(range.first, range.size()));
  BlockTrainer::Segment segment{.epoch = steps.epoch(),
                                .first_step = steps.epoch() * steps.steps_per_epoch()};
  if (steps.microseconds_max() > 0) {
    segment.deadline = begin + std::chrono::microseconds(steps.microseconds_max());
  }
  absl::Status trained = OnSeats([&](Seat& seat) {
    const Profile::Run profiled(*seat.profile);
    return seat.block_trainer->Train(segment, std::span(sums_).subspan(range.first, range.size()));
  });
  std::ranges::copy(wave_->next(), next_legs_.begin() + range.first);
  const std::uint64_t furthest = std::ranges::max(wave_->next());
  for (const Seat& seat : seats_) {
    seat.service->SetSteps(segment.first_step + blocks_->StepAt(furthest, 0, 1));
  }
  return trained;
}

absl::Status Member::BringItemsHome(const Command& command) {
  if (next_legs_.empty()) return absl::OkStatus();  // Nobody has trained yet.
  // Where all are equally far, they are as far as these.
  next_legs_.assign(next_legs_.size(), next_legs_[wave_->range().first]);
  if (absl::Status said = HearNextLegs(command.next_legs()); !said.ok()) return said;
  absl::Status home = item_places_->ComeHome(NextSubEpochs());
  if (!home.ok()) exchange_->Close(home);
  return home;
}

absl::Status Member::HearNextLegs(const google::protobuf::RepeatedField<std::uint64_t>& legs) {
  if (legs.empty()) return absl::OkStatus();
  if (static_cast<std::size_t>(legs.size()) != next_legs_.size())
    return absl::DataLossError("a command says of too few or too many partitions how far they are");
  next_legs_.assign(legs.begin(), legs.end());
  return absl::OkStatus();
}

std::vector<std::uint64_t> Member::NextSubEpochs() const {
  std::vector<std::uint64_t> next = next_legs_;
  for (std::uint64_t& sub_epoch : next) sub_epoch += epoch_ * blocks_->sub_epochs();
  return next;
}

absl::Status Member::TrainBatches(const TrainSteps& steps) {
  // A run ends wherever a snapshot might be taken, so that none changes what batches read.
  std::vector<Trainer::Segment> runs;
  const std::uint32_t delay = options_.job.train().delay();
  for (std::uint64_t first = steps.first_leg(); first < steps.last_leg();) {
    const std::uint64_t last = EndOfRun(first, steps.last_leg(), delay);
    runs.push_back({.epoch = steps.epoch(),
                    .first = first,
                    .last = last,
                    .steps_per_epoch = steps.steps_per_epoch(),
                    .applied = steps.epoch() * steps.steps_per_epoch() + first,
                    .turn = turn_});
    turn_ += StepTurns{.steps = last - first, .delay = delay}.count();
    first = last;
  }
  return OnSeats([&](Seat& seat) {
    const Profile::Run profiled(*seat.profile);
    for (const Trainer::Segment& run : runs) {
      absl::Status trained =
          seat.trainer != nullptr
              ? seat.trainer->Train(run,
                                    std::span(sums_).subspan(seat.worked.first, seat.worked.size()))
              : ServeSteps(*seat.service, run);
      if (!trained.ok()) return trained;
    }
    return absl::OkStatus();
  });
}

absl::Status Member::Validate(const cf::Validate& command, Reply& reply) {
  const std::uint64_t of_partition = command.batches_of_partition();
  const std::uint64_t batches =
      of_partition > 0 ? of_partition * options_.placement->workers().largest() : command.batches();
  std::vector<ObjectiveSums> sums(sums_.size());
  const std::uint64_t turn = turn_;
  turn_ += batches + 1;
  absl::Status done = OnSeats([&](Seat& seat) {
    FaultAt("validate");
    if (seat.trainer == nullptr) return ServeReads(*seat.service, turn, batches + 1);
    return seat.trainer->Score({.training_samples = command.training_samples(),
                                .batches_of_partition = of_partition,
                                .batches = batches,
                                .turn = turn},
                               std::span(sums).subspan(seat.worked.first, seat.worked.size()));
  });
  AddFigures(sums, reply);
  return done;
}

absl::Status Member::ServeSteps(RowService& service, const Trainer::Segment& run) const {
  const StepTurns turns{.steps = run.last - run.first, .delay = options_.job.train().delay()};
  for (std::uint64_t turn = 0; turn < turns.count(); ++turn) {
    ServedTurn served{.turn = run.turn + turn,
                      .use = turns.delay == 0 ? ServedTurn::Use::kStep : ServedTurn::Use::kReading};
    if (turns.EndsStep(turn)) served.step = run.applied + turns.StepEndedBy(turn);
    absl::Status done = service.Serve(served);
    if (!done.ok()) return done;
  }
  return absl::OkStatus();
}

absl::Status Member::ServeReads(RowService& service, std::uint64_t first, std::uint64_t turns) {
  for (std::uint64_t turn = 0; turn < turns; ++turn) {
    absl::Status served = service.Serve({.turn = first + turn});
    if (!served.ok()) return served;
  }
  return absl::OkStatus();
}

}  // namespace cf
