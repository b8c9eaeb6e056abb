#include "coordinator/participant.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "common/base/scratch_folder.h"
#include "common/base/status.h"
#include "common/snapshot/manifest.h"
#include "coordinator/generation_end.h"
#include "coordinator/storage_plan.h"
#include "run/run_folder.h"

namespace cf {
namespace {

// How often threads are looked at: some times within the limit, but seldom enough to cost nothing.
std::chrono::milliseconds PeriodFor(std::chrono::milliseconds limit) {
  return std::clamp(limit / 8, std::chrono::milliseconds(50),
                    std::chrono::milliseconds(std::chrono::seconds(5)));
}

Work WorkOf(const Command& command) {
  switch (command.kind_case()) {
    case Command::kTrain:
      return Work::kTraining;
    case Command::kValidate:
      return Work::kValidating;
    case Command::kMeasureLists:
      return Work::kRanking;
    case Command::kPenalty:
    case Command::kFindNotFinite:
      return Work::kInspecting;
    case Command::kWrite:
    case Command::kFinishWrite:
    case Command::kDropWrite:
    case Command::kCommitted:
      return Work::kSaving;
    case Command::kSetUp:
    case Command::KIND_NOT_SET:
      break;
  }
  return Work::kLoading;
}

}  // namespace

FrameProtection ProtectionOf(Cluster::Frames frames) {
  switch (frames) {
    case Cluster::CHECKSUMMED:
      return FrameProtection::kChecksummed;
    case Cluster::ENCRYPTED:
      return FrameProtection::kEncrypted;
    case Cluster::AUTHENTICATED:
    case Cluster::FRAMES_UNSPECIFIED:
      break;
  }
  return FrameProtection::kAuthenticated;
}

Participant::Participant(Options options)
    : options_(std::move(options)),
      limit_(std::chrono::seconds(job().cluster().progress_timeout_seconds())),
      // Of the compute threads and, the last, of the one that writes snapshots.
      activities_(std::max(1U, roster().at(rank()).threads) + 1),
      probe_(activities_),
      link_(options_.roster.size()),
      data_(std::move(options_.kept.data)),
      places_(std::move(options_.kept.places)),
      kept_partitions_(std::move(options_.kept.partitions)),
      data_checked_(options_.data_checked),
      data_checked_by_all_(options_.data_checked),
      progress_(options_.roster.size(), limit_) {
}

// --- With the others -----------------------------------------------------------------------------

absl::Status Participant::Connect() {
  if (roster().size() > 1) {
    absl::Status connected = ConnectMesh();
    if (!connected.ok()) return connected;
  }
  watch_.emplace(PeriodFor(limit_), [this](std::chrono::milliseconds elapsed) { Look(elapsed); });
  return absl::OkStatus();
}

absl::Status Participant::ConnectMesh() {
  Check(options_.listener.has_value(), "a rank of several listens");
  Mesh::Options mesh{.rank = rank(),
                     .endpoints = roster().endpoints(),
                     .key = options_.key,
                     .generation = note().generation(),
                     .protection = ProtectionOf(job().cluster().frames()),
                     .timeout = std::chrono::seconds(job().cluster().timeout_seconds()),
                     .connect_timeout = options_.connect_limit,
                     .limits = {}};
  Mesh::Handlers handlers;
  handlers.on_message = [this](int from, Message message) { OnMessage(from, std::move(message)); };
  // Also of whoever is missing when the ranks connect.
  handlers.on_lost = [this](int peer, const absl::Status& why) {
    // A process that dies closes its connections; only a host, or the way to it, falls silent.
    {
      const std::lock_guard lock(mutex_);
      (absl::IsDeadlineExceeded(why) ? silent_ : closed_).insert(peer);
    }
    OnGone(peer, std::string(why.message()), absl::IsDeadlineExceeded(why));
  };
  // Whoever leaves has been told of the end, which the others may still have to read; only the
  // leader leaves last.
  handlers.on_left = [this](int peer) {
    if (leads() || peer == roster().leader()) OnGone(peer, "it ended", /*whole_host=*/false);
  };
  handlers.on_log = options_.on_log;
  absl::StatusOr<std::unique_ptr<Mesh>> connected =
      Mesh::Connect(*std::move(options_.listener), std::move(mesh), std::move(handlers));
  // The key came with the roster: whoever is refused all the same has met a fault of the network's.
  if (absl::IsPermissionDenied(connected.status())) return NotOfInput(connected.status());
  if (!connected.ok()) return connected.status();
  mesh_ = *std::move(connected);
  return absl::OkStatus();
}

void Participant::Leave() {
  Check(end().has_value(), "nobody leaves before the end");
  const Activity::Waiting waiting(Activity::kAnybody, {});
  if (mesh_ == nullptr) return;
  const GenerationEnd known = *end();
  const int lost = known.has_lost() ? static_cast<int>(known.lost().rank()) : rank();
  // It may have stopped, and would be waited for until it is silent here, too.
  if (lost != rank()) mesh_->Abandon(lost);
  mesh_->Close();
}

Aftermath Participant::aftermath() const {
  const std::lock_guard lock(mutex_);
  return {.closed = closed_,
          .silent = silent_,
          .ended = ended_at_,
          .data_checked = data_checked_by_all_};
}

KeptWork Participant::KeepWork() {
  Check(end().has_value(), "nobody works after the end");
  FreeMember();
  return {.places = std::move(places_),
          .data = std::exchange(data_, std::nullopt),
          .partitions = std::move(kept_partitions_)};
}

void Participant::FreeWork() {
  Check(end().has_value(), "nobody works after the end");
  FreeMember();
  kept_partitions_ = {};
  data_.reset();
}

void Participant::OnMessage(int from, Message message) {
  if (message.kind == FrameKind::kControl) {
    const absl::Status taken = OnControl(from, message);
    if (!taken.ok()) End(FailedBy(taken, roster().leader()));
    return;
  }
  // Rows are asked for only after every member has answered the last SetUp, so the exchange is there,
  // and stays.
  if (Exchange* exchange = exchange_.load(); exchange != nullptr) {
    exchange->Receive(from, std::move(message));
  } else {
    End(FailedBy(
        absl::DataLossError(absl::StrCat("rank ", from, " sent rows before it was told to")),
        roster().leader()));
  }
}

absl::Status Participant::OnControl(int from, const Message& message) {
  absl::StatusOr<Envelope> envelope = ParseControl(from, message);
  if (!envelope.ok()) return envelope.status();
  if (envelope->has_progress()) {
    const std::lock_guard lock(mutex_);
    progress_.Hear(from, envelope->progress());
    return absl::OkStatus();
  }
  if (!envelope->has_end()) return link_.Deliver(from, *std::move(envelope));
  const GenerationEnd& told = envelope->end();
  if (from == roster().leader()) {
    const std::lock_guard lock(mutex_);
    leaders_end_ = told;
  }
  End(told);
  if (told.lost().hung() && told.lost().rank() == static_cast<std::uint32_t>(rank())) {
    options_.on_hang(told);
  }
  return absl::OkStatus();
}

void Participant::OnGone(int peer, const std::string& how, bool whole_host) {
  End(LossOf(roster(), peer, how, whole_host));
}

bool Participant::End(const GenerationEnd& end) {
  {
    const std::lock_guard lock(mutex_);
    if (end_.has_value()) return false;
    end_ = end;
    ended_at_ = std::chrono::steady_clock::now();
  }
  const absl::Status why = StatusOf(end);
  link_.Close(why);
  // Not while another SetUp puts a new one in its place.
  const std::lock_guard lock(exchange_mutex_);
  if (Exchange* exchange = exchange_.load(); exchange != nullptr) exchange->Close(why);
  return true;
}

std::optional<GenerationEnd> Participant::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

GenerationEnd Participant::SettledEnd() const {
  const std::lock_guard lock(mutex_);
  Check(end_.has_value(), "there is an end once it is known");
  return end_->has_lost() && leaders_end_.has_value() ? *leaders_end_ : *end_;
}

GenerationEnd Participant::EndBy(const absl::Status& error, int speaker) const {
  // Whatever was under way when the end came failed because of it.
  const std::optional<GenerationEnd> known = end();
  if (known.has_value()) return *known;
  return member_ == nullptr ? FailedBy(error, speaker) : FailedInMidRunBy(error, speaker);
}

// --- Watching ------------------------------------------------------------------------------------

void Participant::Look(std::chrono::milliseconds elapsed) {
  const Progress own = probe_.Look(elapsed);
  if (end().has_value()) return JudgeAfterTheEnd(own);
  if (leads()) return JudgeAll(elapsed, own);
  Envelope report;
  *report.mutable_progress() = own;
  Send(roster().leader(), report);
}

void Participant::JudgeAll(std::chrono::milliseconds elapsed, const Progress& own) {
  std::optional<Hang> hang;
  {
    const std::lock_guard lock(mutex_);
    progress_.Pass(elapsed);
    progress_.Hear(rank(), own);
    hang = progress_.Judge();
  }
  if (!hang.has_value()) return;
  const GenerationEnd end = hang->rank.has_value() ? HangOf(roster(), *hang->rank, hang->how)
                                                   : StallOf(roster(), hang->how);
  // The work may have come to another end meanwhile.
  if (!End(end)) return;
  // It may hang before it could tell the others.
  Envelope last;
  *last.mutable_end() = end;
  for (int other = 0; other < roster().size(); ++other) {
    if (other != rank()) Send(other, last);
  }
  if (hang->rank == rank()) options_.on_hang(end);
}

void Participant::JudgeAfterTheEnd(const Progress& own) {
  // Nobody else looks any more. What still waits now, for the others' goodbyes, has a deadline.
  ProgressTable alone(1, limit_);
  alone.Hear(0, own);
  const std::optional<Hang> hang = alone.Judge();
  if (!hang.has_value() || !hang->rank.has_value()) return;
  const GenerationEnd known = *end();
  const bool well = known.has_finished() || known.has_stopped();
  options_.on_hang(well ? HangOf(roster(), rank(), hang->how) : known);
}

// --- The rank's own part -------------------------------------------------------------------------

absl::StatusOr<Reply> Participant::Execute(const Command& command) {
  const Activity::Doing doing(WorkOf(command));
  if (command.has_set_up()) return SetUpMember(command.set_up());
  if (member_ == nullptr) return absl::DataLossError("a command before SetUp");
  // Which comes only when every rank has answered SetUp.
  data_checked_by_all_ = true;
  absl::StatusOr<Reply> reply = member_->Execute(command);
  return reply.ok() ? std::move(reply) : NotOfInput(reply.status());
}

absl::Status Participant::OpenData(const SetUp& set_up) {
  const UsersOfPartitions users = {.partitioning = placement_->partitioning(),
                                   .ranges = {placement_->workers().RangeOnRank(rank())}};
  if (data_.has_value()) {
    data_->Include(job(), users);
  } else {
    absl::StatusOr<TrainingData> data = TrainingData::OpenPart(
        job(), users, {.key = set_up.cut_key(), .sample = set_up.cut_sample()},
        {.mean = set_up.rating_mean(),
         .deviation = set_up.rating_deviation(),
         .min = set_up.rating_min(),
         .max = set_up.rating_max()});
    if (!data.ok()) return data.status();
    data_.emplace(*std::move(data));
  }
  if (data_->data.digest() != note().dataset_digest()) {
    return absl::FailedPreconditionError(absl::StrCat(job().data().path(), " on ", host(),
                                                      " is another data set than rank ",
                                                      roster().leader(), "'s"));
  }
  if (std::exchange(data_checked_, true)) return absl::OkStatus();
  // The ranks of a host have the same bytes in memory, so each checks a share of them.
  CheckShare share{.index = 0, .count = 0};
  for (int other = 0; other < roster().size(); ++other) {
    if (roster().at(other).host != host()) continue;
    if (other == rank()) share.index = share.count;
    ++share.count;
  }
  absl::Status whole = data_->data.CheckColumns(share);
  return whole.ok() ? whole : Because(whole, "on " + host());
}

void Participant::FreeMember() {
  {
    const std::lock_guard lock(exchange_mutex_);
    exchange_ = nullptr;
  }
  if (member_ != nullptr) kept_partitions_ = member_->Keep();
  member_.reset();
  snapshot_.reset();
}

absl::StatusOr<Reply> Participant::ReplyTo(const absl::Status& not_set_up) {
  if (!IsSnapshotDamage(not_set_up)) return not_set_up;
  // Only the leader can choose another snapshot, for all.
  FreeMember();
  Reply reply;
  reply.set_snapshot_damage(std::string(not_set_up.message()));
  return reply;
}

absl::StatusOr<Reply> Participant::SetUpMember(const SetUp& set_up) {
  FreeMember();
  absl::StatusOr<Placement> placement = Placement::Make(
      {.partitions = job().train().partitions(),
       .threads = {set_up.threads().begin(), set_up.threads().end()},
       .servers = job().cluster().servers(),
       .firsts = {set_up.first_partitions().begin(), set_up.first_partitions().end()}});
  if (!placement.ok()) return placement.status();
  placement_ = *std::move(placement);
  places_.clear();
  for (int other = 0; placement_->combined() && other < placement_->ranks(); ++other) {
    places_[roster().at(other).id] = placement_->workers().RangeOnRank(other);
  }
  absl::Status opened = OpenData(set_up);
  if (!opened.ok()) return opened;
  if (!set_up.snapshot().empty()) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(set_up.snapshot());
    if (!snapshot.ok()) return ReplyTo(snapshot.status());
    snapshot_ = *std::move(snapshot);
  }
  if (set_up.threads_size() <= rank() || set_up.frames_size() <= rank() ||
      set_up.snapshot_copies_size() <= rank() || set_up.row_bytes_size() <= rank() ||
      set_up.samples_on_disk_size() <= rank()) {
    return absl::DataLossError("nothing about the threads and the memory of this rank");
  }
  // Rows that do not all stay in memory this time leave it first.
  const bool stay = set_up.row_bytes(rank()) == 0 &&
                    set_up.frames(rank()) >= placement_->servers().RangeOnRank(rank()).size();
  if (!stay || options_.make_store) kept_partitions_ = {};
  absl::StatusOr<std::unique_ptr<Member>> member = Member::Open(
      {.job = job(),
       .rank = rank(),
       .generation = note().generation(),
       .snapshots_folder = absl::StrCat(note().run_folder(), "/snapshots"),
       .snapshot = snapshot(),
       .data = &*data_,
       .placement = &*placement_,
       .mesh = mesh_.get(),
       .make_store = options_.make_store ? options_.make_store
                                         : StoreOf({.frames = set_up.frames(rank()),
                                                    .threads = set_up.threads(rank()),
                                                    .directory = rows_directory(),
                                                    .row_bytes = set_up.row_bytes(rank())}),
       .kept = &kept_partitions_,
       .scratch_directory = rows_directory(),
       .samples_on_disk = set_up.samples_on_disk(rank()),
       .activities = std::span(activities_).first(activities_.size() - 1),
       .snapshot_copies = set_up.snapshot_copies(rank()),
       .writer_activity = &activities_.back()});
  if (!member.ok()) return ReplyTo(member.status());
  member_ = *std::move(member);
  {
    const std::lock_guard lock(exchange_mutex_);
    exchange_ = &member_->exchange();
  }
  // Who ended the generation while the exchange was made has not closed it.
  if (const std::optional<GenerationEnd> ended = end(); ended.has_value()) {
    member_->exchange().Close(StatusOf(*ended));
  }
  Reply reply;
  reply.set_users_on_disk(member_->has_users_on_disk());
  reply.set_rows_kept(member_->opened_rows().kept);
  reply.set_rows_put_back(member_->opened_rows().put_back);
  reply.set_rows_loaded(member_->opened_rows().loaded);
  if (member_->has_users_on_disk() || member_->has_samples_on_disk()) {
    reply.set_doubt(DoubtAbout(rows_directory()));
  }
  return reply;
}

std::string Participant::rows_directory() const {
  const std::string& directory = job().storage().directory();
  return directory.empty() ? RunFolder::ScratchPathIn(note().run_folder()) : directory;
}

}  // namespace cf
