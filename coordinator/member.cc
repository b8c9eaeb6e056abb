#include "coordinator/member.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <pthread.h>
#include <system_error>
#include <thread>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "paramserver/slab_store.h"

namespace cf {
namespace {

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
