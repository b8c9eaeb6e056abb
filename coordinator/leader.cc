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
  if (options_.lost_at.has_value()) AnnounceKeptRows(*ready, *options_.console);
  for (int rank = 0; rank < participant_.roster().size(); ++rank) {
    const std::string& doubt = (*ready)[static_cast<std::size_t>(rank)].doubt();
    if (doubt.empty()) continue;
    options_.console->Line(absl::StrCat("  ", participant_.rows_directory(), " of rank ", rank,
                                        " is on ", doubt, ": see storage.directory"));
  }

  absl::StatusOr<std::unique_ptr<HistoryObserver>> history = HistoryObserver::Open(
      *options_.claim, job(), [this](const std::string& line) { options_.console->Line(line); });
  if (!history.ok()) return history.status();
  StatusObserver status_file({.folder = options_.claim,
                              .status = std::move(status),
                              .monitor = MonitorOf(job()),
                              .training_samples = participant_.data().split.training_count()});
  ProfileObserver profile(options_.console);
  std::vector<JobObserver*> listeners = {history->get(), &status_file, options_.console};
  if (options_.profile) listeners.push_back(&profile);
  std::optional<RecoveryObserver> recovery;
  if (options_.lost_at.has_value()) {
    listeners.push_back(&recovery.emplace(options_.console, *options_.lost_at));
  }
  JobObservers observers(std::move(listeners));
  absl::StatusOr<Coordinator> coordinator = Coordinator::Open(
      {.job = job(),
       .generation = participant_.note().generation(),
       .folder = options_.claim,
       .data = &participant_.data(),
       .snapshot = participant_.snapshot(),
       .damaged_snapshots = damaged_snapshots_,
       .segments_by_time =
           job().train().schedule() == Train::BLOCKS &&
           std::ranges::any_of(*ready, [](const Reply& reply) { return reply.users_on_disk(); }),
       .observer = &observers,
       .execute = [this](Command next) { return ExecuteEverywhere(std::move(next)); },
       .stop_requested = options_.stop_requested});
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
  const auto ranks = static_cast<std::uint32_t>(participant_.roster().size());
  const std::uint32_t workers = ranks - std::min(job().cluster().servers(), ranks - 1);
  // As many as there are partitions for; a number that the user gave is his own.
  const std::uint32_t most =
      job().cluster().threads() > 0 ? ~0U : std::max(1U, job().train().partitions() / workers);
  std::uint32_t unused = 0;
  for (const RosterMember& member : participant_.roster().members()) {
    const std::uint32_t threads = std::max(1U, member.threads);
    set_up.add_threads(std::min(threads, most));
    unused += threads - std::min(threads, most);
  }
  if (unused > 0) {
    options_.console->Line(absl::StrCat(unused, " cores stay unused: train.partitions is ",
                                        job().train().partitions(), ", and each can use one"));
  }
}

void Leader::KeepPlaces(SetUp& set_up) const {
  std::vector<SeatRange> before;
  for (const RosterMember& member : participant_.roster().members()) {
    const auto place = participant_.places_before().find(member.id);
    if (place == participant_.places_before().end()) return;
    before.push_back(place->second);
  }
  const std::vector<std::uint32_t> threads = {set_up.threads().begin(), set_up.threads().end()};
  const std::uint32_t partitions = job().train().partitions();
  const std::uint32_t share =
      ShareAfterALoss(std::accumulate(threads.begin(), threads.end(), 0U), partitions);
  for (const std::uint32_t first : FirstsNear(before, threads, partitions, share)) {
    set_up.add_first_partitions(first);
  }
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
