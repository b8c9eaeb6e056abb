#include "coordinator/leader.h"

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/status.h"
#include "coordinator/announcement.h"
#include "coordinator/coordinator.h"
#include "coordinator/generation_end.h"
#include "coordinator/history_observer.h"
#include "coordinator/profile_observer.h"
#include "coordinator/recovery_observer.h"
#include "coordinator/resize.h"
#include "coordinator/status_observer.h"
#include "coordinator/storage_plan.h"
#include "run/early_stopping.h"
#include "run/run_view.h"

namespace cf {
namespace {

std::string NameOfPath(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

Leader::Leader(Participant& participant, Options options)
    : participant_(participant), options_(std::move(options)) {
}

GenerationEnd Leader::Run() {
  for (const std::string& line : participant_.note().notices()) options_.console->Line(line);
  if (!participant_.note().snapshot().empty()) {
    options_.console->Line(absl::StrCat("resuming from ", participant_.note().snapshot()));
  }
  const absl::StatusOr<Verdict> verdict = Coordinate();
  const GenerationEnd end = verdict.ok()
                                ? EndWith(*verdict, participant_.rank())
                                : participant_.EndBy(verdict.status(), participant_.rank());
  participant_.End(end);
  Envelope last;
  *last.mutable_end() = end;
  for (int rank = 0; rank < participant_.roster().size(); ++rank) {
    if (rank != participant_.rank()) participant_.Send(rank, last);
  }
  participant_.Leave();
  return end;
}

absl::StatusOr<Verdict> Leader::Coordinate() {
  // Before anybody opens rows: who takes the place of a lost rank comes at once.
  if (absl::Status stays = ResizeIfWanted(); !stays.ok()) return stays;
  // Opened first, so that the summary and the user's mistakes come before any memory is taken.
  if (!participant_.has_all_data()) {
    absl::StatusOr<TrainingData> data = OpenData();
    if (!data.ok()) return data.status();
    participant_.Adopt(*std::move(data));
  }
  const absl::StatusOr<SetUp> set_up = AgreeOnSetUp();
  if (!set_up.ok()) return set_up.status();
  Announce(job(), participant_.roster(), participant_.data(), *set_up, *options_.console);
  AnnounceStorage(storage_, participant_.rows_directory(), *options_.console);
  RunStatus status = FirstStatus(participant_.note(), participant_.roster(), *set_up);
  if (options_.batch.has_value()) *status.mutable_batch() = *options_.batch;
  WriteStatus(*options_.claim, status).IgnoreError();  // Nothing is decided by it.
  absl::StatusOr<std::vector<Reply>> ready = SetUpEverywhere(*set_up, status);
  if (!ready.ok()) return ready.status();
  if (options_.ended_at.has_value()) AnnounceKeptRows(*ready, *options_.console);
  const bool users_on_disk =
      std::ranges::any_of(*ready, [](const Reply& reply) { return reply.users_on_disk(); });
  const bool by_blocks = job().train().schedule() == Train::BLOCKS;
  reads_all_again_ = users_on_disk || by_blocks;
  for (int rank = 0; rank < participant_.roster().size(); ++rank) {
    const std::string& doubt = (*ready)[static_cast<std::size_t>(rank)].doubt();
    if (doubt.empty()) continue;
    options_.console->Line(absl::StrCat("  ", participant_.rows_directory(), " of rank ", rank,
                                        " is on ", doubt, ": see storage.directory"));
  }

  absl::StatusOr<std::unique_ptr<HistoryObserver>> history = HistoryObserver::Open(
      *options_.claim, job(),
      {.say = [this](const std::string& line) { options_.console->Line(line); },
       .stop_requested = options_.stop_requested});
  if (!history.ok()) return history.status();
  StatusObserver status_file({.folder = options_.claim,
                              .status = std::move(status),
                              .monitor = MonitorOf(job()),
                              .training_samples = participant_.data().split.training_count()});
  ProfileObserver profile(options_.console);
  std::vector<JobObserver*> listeners = {history->get(), &status_file, options_.console};
  if (options_.profile) listeners.push_back(&profile);
  std::optional<RecoveryObserver> recovery;
  if (options_.ended_at.has_value()) {
    listeners.push_back(
        &recovery.emplace(options_.console, *options_.ended_at, options_.after_loss));
  }
  JobObservers observers(std::move(listeners));
  absl::StatusOr<Coordinator> coordinator = Coordinator::Open(
      {.job = job(),
       .generation = participant_.note().generation(),
       .folder = options_.claim,
       .data = &participant_.data(),
       .snapshot = participant_.snapshot(),
       .damaged_snapshots = damaged_snapshots_,
       .segments_by_time = by_blocks && users_on_disk,
       .observer = &observers,
       .execute = [this](Command next) { return ExecuteEverywhere(std::move(next)); },
       .stop_requested = options_.stop_requested,
       .on_snapshot =
           [this](double epochs_left) {
             absl::Status stays = ResizeIfWanted();
             return stays.ok() ? BalanceIfWorthIt(epochs_left) : stays;
           },
       .waits_for_snapshot =
           [this](double epochs_left) { return PlanNewDeal(epochs_left).has_value(); }});
  if (!coordinator.ok()) return coordinator.status();
  absl::StatusOr<Verdict> verdict = coordinator->Run();
  // A disk that turns read-only is not what the user wrote.
  return verdict.ok() ? std::move(verdict) : NotOfInput(verdict.status());
}

absl::StatusOr<std::vector<Reply>> Leader::SetUpEverywhere(SetUp set_up, RunStatus& status) {
  const GenerationNote& note = participant_.note();
  std::vector<PassedOver> passed_over;
  for (const DamagedSnapshot& one : note.passed_over()) {
    passed_over.push_back({.name = one.name(), .why = one.why()});
  }
  *status.mutable_notices() = note.notices();
  set_up.set_snapshot(note.snapshot());
  for (;;) {
    Command command;
    *command.mutable_set_up() = set_up;
    absl::StatusOr<std::vector<Reply>> replies = ExecuteEverywhere(std::move(command));
    if (!replies.ok()) return replies.status();
    const auto damaged = std::ranges::find_if(
        *replies, [](const Reply& reply) { return !reply.snapshot_damage().empty(); });
    if (damaged == replies->end()) {
      for (PassedOver& one : passed_over) damaged_snapshots_.insert(std::move(one.name));
      return replies;
    }
    const std::string why =
        absl::StrCat("rank ", damaged - replies->begin(), ": ", damaged->snapshot_damage());
    if (note.snapshot_is_given()) {
      return absl::DataLossError(absl::StrCat(set_up.snapshot(), ": ", why));
    }
    passed_over.insert(passed_over.begin(), {.name = NameOfPath(set_up.snapshot()), .why = why});
    const absl::StatusOr<std::string> older = PassOver(passed_over, status);
    if (!older.ok()) return older.status();
    set_up.set_snapshot(*older);
  }
}

absl::StatusOr<std::string> Leader::PassOver(const std::vector<PassedOver>& damaged,
                                             RunStatus& status) {
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(options_.claim->snapshots_path());
  if (!store.ok()) return store.status();
  const absl::StatusOr<ResumeChoice> choice = ChooseSnapshot(*store, damaged);
  if (!choice.ok()) return choice.status();
  status.clear_notices();
  for (std::string& line : NoticesOf(*store, *choice)) {
    options_.console->Line(line);
    status.add_notices(std::move(line));
  }
  WriteStatus(*options_.claim, status).IgnoreError();
  return store->PathOf(choice->manifest->name());
}

absl::StatusOr<TrainingData> Leader::OpenData() const {
  const Activity::Doing doing(Work::kLoading);
  return TrainingData::Open(job());
}

absl::StatusOr<SetUp> Leader::AgreeOnSetUp() {
  const TrainingData& data = participant_.data();
  SetUp set_up;
  AgreeOnThreads(set_up);
  set_up.set_rating_mean(data.statistics.mean);
  set_up.set_rating_deviation(data.statistics.deviation);
  set_up.set_rating_min(data.statistics.min);
  set_up.set_rating_max(data.statistics.max);
  set_up.set_cut_key(data.split.cut().key);
  set_up.set_cut_sample(data.split.cut().sample);
  KeepPlaces(set_up);
  // Refused before anybody works on it.
  absl::StatusOr<Placement> placement = Placement::Make(
      {.partitions = job().train().partitions(),
       .threads = {set_up.threads().begin(), set_up.threads().end()},
       .servers = job().cluster().servers(),
       .firsts = {set_up.first_partitions().begin(), set_up.first_partitions().end()}});
  if (!placement.ok()) return placement.status();
  const std::vector<RosterMember>& members = participant_.roster().members();
  for (int rank = 0; rank < participant_.roster().size(); ++rank) {
    const RosterMember& member = participant_.roster().at(rank);
    const ProcessRoom room = {.bytes = member.memory,
                              .ranks_on_host = static_cast<std::uint32_t>(
                                  std::ranges::count(members, member.host, &RosterMember::host))};
    absl::StatusOr<StoragePlan> plan = PlanStorage(job(), data, *placement, rank, room);
    if (!plan.ok()) return plan.status();
    storage_.push_back(*plan);
    set_up.add_frames(plan->frames);
    set_up.add_snapshot_copies(plan->snapshot_copies);
    set_up.add_row_bytes(plan->row_bytes);
    set_up.add_samples_on_disk(plan->samples_on_disk);
  }
  return set_up;
}

void Leader::AgreeOnThreads(SetUp& set_up) const {
  const std::vector<std::uint32_t> threads = ThreadsByRank(job(), participant_.roster());
  set_up.mutable_threads()->Add(threads.begin(), threads.end());
  std::uint32_t unused = 0;
  for (int rank = 0; rank < participant_.roster().size(); ++rank) {
    unused += std::max(1U, participant_.roster().at(rank).threads) -
              threads[static_cast<std::size_t>(rank)];
  }
  if (unused > 0) {
    options_.console->Line(absl::StrCat(unused, " cores stay unused: train.partitions is ",
                                        job().train().partitions(), ", and each can use one"));
  }
}

void Leader::KeepPlaces(SetUp& set_up) const {
  const std::uint32_t partitions = job().train().partitions();
  const std::vector<SeatRange> before =
      RangesBefore(participant_.roster(), participant_.places(), partitions);
  if (before.empty()) return;
  const std::vector<std::uint32_t> threads = {set_up.threads().begin(), set_up.threads().end()};
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  // Behind a loss it is good enough that little moves; at the next snapshot balance returns.
  const std::vector<std::uint32_t> firsts =
      options_.after_loss
          ? FirstsAfterALoss(before, threads, partitions)
          : FirstsNear(before, threads, partitions, FairShare(all_threads, partitions));
  set_up.mutable_first_partitions()->Add(firsts.begin(), firsts.end());
}

std::optional<GenerationEnd::Resized> Leader::PlanNewDeal(double epochs_left) const {
  if (options_.reception == nullptr) return std::nullopt;
  return PlanBalance({.job = job(),
                      .roster = participant_.roster(),
                      .places = participant_.places(),
                      .ranks_wanted = options_.ranks_wanted},
                     {.epochs = epochs_left, .reads_all_again = reads_all_again_});
}

absl::Status Leader::BalanceIfWorthIt(double epochs_left) {
  std::optional<GenerationEnd::Resized> next = PlanNewDeal(epochs_left);
  if (!next.has_value()) return absl::OkStatus();
  GenerationEnd end;
  end.set_speaker(static_cast<std::uint32_t>(participant_.rank()));
  *end.mutable_resized() = *std::move(next);
  return participant_.End(end) ? StatusOf(end) : StatusOf(*participant_.end());
}

absl::Status Leader::ResizeIfWanted() {
  if (options_.reception == nullptr) return absl::OkStatus();
  const Roster& roster = participant_.roster();
  std::vector<Reception::Visitor> visitors = options_.reception->Waiting();
  // A spare comes where one is missing that nobody else makes up for.
  std::ranges::stable_partition(visitors,
                                [](const Reception::Visitor& visitor) { return !visitor.spare; });
  const std::optional<std::uint32_t> asked = options_.claim->RanksAskedFor();
  const std::uint32_t wanted = asked.value_or(options_.ranks_wanted);
  ResizeRequest request{.job = job(),
                        .roster = roster,
                        .places = participant_.places(),
                        .ranks_wanted = wanted,
                        .asked = asked.has_value()};
  for (const Reception::Visitor& visitor : visitors) {
    const std::size_t ranks = static_cast<std::size_t>(roster.size()) + request.joining.size();
    if ((visitor.spare || asked.has_value()) && ranks >= wanted) break;
    request.joining.push_back(visitor.member);
  }
  std::optional<GenerationEnd::Resized> next = PlanResize(request);
  const MemberId youngest = std::ranges::max(roster.members(), {}, &RosterMember::id).id;
  GenerationEnd end;
  std::size_t joined = 0;
  if (next.has_value()) {
    end.set_speaker(static_cast<std::uint32_t>(participant_.rank()));
    joined = static_cast<std::size_t>(std::ranges::count_if(
        next->members(),
        [youngest](const RosterEntry& entry) { return MemberId{entry.id()} > youngest; }));
    *end.mutable_resized() = *std::move(next);
    if (!participant_.End(end)) return StatusOf(*participant_.end());
    for (std::size_t k = 0; k < joined; ++k) {
      options_.reception->Invite(
          visitors[k].number, participant_.note().generation(), end,
          MemberId{static_cast<std::uint32_t>(youngest) + 1 + static_cast<std::uint32_t>(k)});
    }
  }
  for (std::size_t k = joined; k < request.joining.size(); ++k) {
    options_.reception->Refuse(
        visitors[k].number,
        absl::StrCat("no partition is left for another rank: train.partitions is ",
                     job().train().partitions(), ", and each compute thread needs one"));
  }
  return end.has_resized() ? StatusOf(end) : absl::OkStatus();
}

absl::StatusOr<std::vector<Reply>> Leader::ExecuteEverywhere(Command command) {
  command.set_sequence(++sequence_);
  const int ranks = participant_.roster().size();
  Envelope envelope;
  *envelope.mutable_command() = command;
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank != participant_.rank()) participant_.Send(rank, envelope);
  }
  absl::StatusOr<Reply> own = participant_.Execute(command);
  if (!own.ok()) return own.status();
  std::vector<Reply> replies(static_cast<std::size_t>(ranks));
  replies[static_cast<std::size_t>(participant_.rank())] = *std::move(own);
  for (int rank = 0; rank < ranks; ++rank) {
    if (rank == participant_.rank()) continue;
    absl::StatusOr<Envelope> answer = participant_.Await(rank);
    if (!answer.ok()) return answer.status();
    Reply& reply = *answer->mutable_reply();
    if (reply.sequence() != sequence_) {
      return absl::DataLossError(
          absl::StrCat("rank ", rank, " did not answer command ", sequence_));
    }
    replies[static_cast<std::size_t>(rank)] = std::move(reply);
  }
  return replies;
}

}  // namespace cf
