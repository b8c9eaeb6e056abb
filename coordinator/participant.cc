#include "coordinator/participant.h"

#include <chrono>
#include <utility>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "coordinator/generation_end.h"

namespace cf {

Participant::Participant(Options options)
    : options_(std::move(options)), link_(options_.roster.size()) {
}

// --- With the others -----------------------------------------------------------------------------

absl::Status Participant::Connect() {
  if (roster().size() == 1) return absl::OkStatus();
  Check(options_.listener.has_value(), "a rank of several listens");
  Mesh::Options mesh{.rank = rank(),
                     .endpoints = roster().endpoints(),
                     .key = options_.key,
                     .generation = note().generation(),
                     .timeout = std::chrono::seconds(job().cluster().timeout_seconds()),
                     .limits = {}};
  Mesh::Handlers handlers;
  handlers.on_message = [this](int from, Message message) { OnMessage(from, std::move(message)); };
  handlers.on_lost = [this](int peer, const absl::Status& why) {
    // A process that dies closes its connections; only a host, or the way to it, falls silent.
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
  if (!connected.ok()) return connected.status();
  mesh_ = *std::move(connected);
  return absl::OkStatus();
}

void Participant::Leave() {
  Check(end().has_value(), "nobody leaves before the end");
  if (mesh_ != nullptr) mesh_->Close();
}

void Participant::OnMessage(int from, Message message) {
  if (message.kind == FrameKind::kControl) {
    const absl::Status taken = OnControl(from, message);
    if (!taken.ok()) End(FailedBy(taken, roster().leader()));
    return;
  }
  // Rows are asked for only after every member has answered SetUp, so the exchange is there.
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
  if (!envelope->has_end()) return link_.Deliver(from, *std::move(envelope));
  End(envelope->end());
  return absl::OkStatus();
}

void Participant::OnGone(int peer, const std::string& how, bool whole_host) {
  End(LossOf(roster(), peer, how, whole_host));
}

void Participant::End(const GenerationEnd& end) {
  {
    const std::lock_guard lock(mutex_);
    if (end_.has_value()) return;
    end_ = end;
  }
  const absl::Status why = StatusOf(end);
  link_.Close(why);
  if (Exchange* exchange = exchange_.load(); exchange != nullptr) exchange->Close(why);
}

std::optional<GenerationEnd> Participant::end() const {
  const std::lock_guard lock(mutex_);
  return end_;
}

GenerationEnd Participant::EndBy(const absl::Status& error, int speaker) const {
  // Whatever was under way when the end came failed because of it.
  const std::optional<GenerationEnd> known = end();
  return known.has_value() ? *known : FailedBy(error, speaker);
}

// --- The rank's own part -------------------------------------------------------------------------

absl::StatusOr<Reply> Participant::Execute(const Command& command) {
  if (command.has_set_up()) return SetUpMember(command.set_up());
  if (member_ == nullptr) return absl::DataLossError("a command before SetUp");
  return member_->Execute(command);
}

absl::Status Participant::OpenData(const SetUp& set_up) {
  if (!data_.has_value()) {
    UsersOfPartitions users = {.partitioning = placement_->partitioning(), .ranges = {}};
    for (const std::uint32_t seat : placement_->workers().OnRank(rank())) {
      users.ranges.push_back(placement_->workers().range(seat));
    }
    absl::StatusOr<TrainingData> data = TrainingData::OpenPart(
        job(), users, {.key = set_up.cut_key(), .sample = set_up.cut_sample()},
        {.mean = set_up.rating_mean(), .min = set_up.rating_min(), .max = set_up.rating_max()});
    if (!data.ok()) return data.status();
    data_.emplace(*std::move(data));
  }
  if (data_->data.digest() == note().dataset_digest()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(job().data().path(), " on ", host(),
                                                    " is another data set than rank ",
                                                    roster().leader(), "'s"));
}

absl::StatusOr<Reply> Participant::SetUpMember(const SetUp& set_up) {
  absl::StatusOr<Placement> placement =
      Placement::Make({.partitions = job().train().partitions(),
                       .threads = {set_up.threads().begin(), set_up.threads().end()},
                       .servers = job().cluster().servers()});
  if (!placement.ok()) return placement.status();
  placement_ = *std::move(placement);
  absl::Status opened = OpenData(set_up);
  if (!opened.ok()) return opened;
  if (!note().snapshot().empty() && !snapshot_.has_value()) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(note().snapshot());
    if (!snapshot.ok()) return snapshot.status();
    snapshot_ = *std::move(snapshot);
  }
  absl::StatusOr<std::unique_ptr<Member>> member =
      Member::Open({.job = job(),
                    .rank = rank(),
                    .generation = note().generation(),
                    .snapshots_folder = absl::StrCat(note().run_folder(), "/snapshots"),
                    .snapshot = snapshot(),
                    .data = &*data_,
                    .placement = &*placement_,
                    .mesh = mesh_.get(),
                    .make_store = options_.make_store});
  if (!member.ok()) return member.status();
  member_ = *std::move(member);
  exchange_ = &member_->exchange();
  // Who ended the generation while the exchange was made has not closed it.
  if (const std::optional<GenerationEnd> ended = end(); ended.has_value()) {
    member_->exchange().Close(StatusOf(*ended));
  }
  return Reply();
}

}  // namespace cf
