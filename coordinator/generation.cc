#include "coordinator/generation.h"

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <ctime>
#include <memory>
#include <set>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_format.h>

#include "common/base/check.h"
#include "common/base/status.h"
#include "common/text/numbers.h"
#include "coordinator/control_link.h"
#include "coordinator/coordinator.h"
#include "run/run_view.h"

namespace cf {
namespace {

Reply ReplyOf(std::uint64_t sequence, absl::StatusOr<Reply> outcome) {
  Reply reply;
  if (outcome.ok()) {
    reply = *std::move(outcome);
  } else {
    reply.set_code(static_cast<int>(outcome.status().code()));
    reply.set_message(std::string(outcome.status().message()));
    reply.set_lost_host(LostHost(outcome.status()));
  }
  reply.set_sequence(sequence);
  return reply;
}

// This rank's part of one generation.
class Generation {
 public:
  explicit Generation(GenerationOptions options)
      : options_(std::move(options)),
        ranks_(static_cast<int>(options_.hosts.size())),
        link_(ranks_) {}

  absl::StatusOr<Verdict> Run();

 private:
  bool coordinates() const { return options_.rank == 0; }
  const Job& job() const { return options_.note.job(); }

  absl::Status Connect();
  void OnMessage(int from, Message message);
  void OnGone(int peer, const std::string& how, bool host_lost);
  void Abandon(const absl::Status& why);

  std::uint32_t ThreadsWanted() const;
  absl::StatusOr<Reply> SetUpMember(const SetUp& set_up);
  absl::StatusOr<Reply> Execute(const Command& command);

  absl::StatusOr<Verdict> Coordinate();
  absl::StatusOr<std::vector<Join>> AwaitMembers();
  SetUp AgreeOnThreads(const std::vector<Join>& members) const;
  absl::StatusOr<std::vector<Reply>> ExecuteEverywhere(Command command);
  void Announce(const SetUp& set_up) const;
  void AnnounceBlocks() const;
  RunStatus MakeStatus(const SetUp& set_up) const;
  absl::StatusOr<Verdict> Follow();

  GenerationOptions options_;
  const int ranks_;
  ControlLink link_;
  std::optional<Snapshot> snapshot_;
  std::optional<TrainingData> data_;
  std::optional<Placement> placement_;
  std::unique_ptr<Mesh>
      mesh_;  // Null in a job of one rank. Its handlers use what stands above and below.
  std::unique_ptr<Member> member_;
  std::atomic<Exchange*> exchange_ = nullptr;  // The member's, for the I/O thread.
  std::atomic<bool> finishing_ = false;
  std::atomic<bool> silent_ = false;  // Another rank says what was lost.
  std::uint64_t sequence_ = 0;
};

absl::StatusOr<Verdict> Generation::Run() {
  absl::Status connected = Connect();
  if (!connected.ok()) return connected;
  absl::StatusOr<Verdict> verdict = coordinates() ? Coordinate() : Follow();
  finishing_ = true;
  if (coordinates()) {
    Envelope finish;
    finish.mutable_command()->mutable_finish()->set_code(static_cast<int>(verdict.status().code()));
    for (int rank = 1; rank < ranks_; ++rank) SendControl(*mesh_, rank, finish);
  }
  if (mesh_ != nullptr) mesh_->Close();
  if (silent_ && absl::IsUnavailable(verdict.status())) return absl::UnavailableError("");
  return verdict;
}

absl::Status Generation::Connect() {
  if (ranks_ == 1) return absl::OkStatus();
  Check(options_.listener.has_value(), "a rank of several listens");
  Mesh::Options mesh{.rank = options_.rank,
                     .endpoints = options_.endpoints,
                     .key = options_.key,
                     .generation = options_.note.generation(),
                     .timeout = std::chrono::seconds(job().cluster().timeout_seconds()),
                     .limits = {}};
  Mesh::Handlers handlers;
  handlers.on_message = [this](int from, Message message) { OnMessage(from, std::move(message)); };
  handlers.on_lost = [this](int peer, const absl::Status& why) {
    // A process that dies closes its connections; only a host, or the way to it, falls silent.
    OnGone(peer, std::string(why.message()), absl::IsDeadlineExceeded(why));
  };
  // Members may leave before this one has read its own Finish; the coordinator leaves last.
  handlers.on_left = [this](int peer) {
    if (coordinates() || peer == 0) OnGone(peer, "it ended", /*host_lost=*/false);
  };
  handlers.on_log = [this](const std::string& line) {
    if (coordinates()) {
      options_.console->Line(line);
    } else {
      std::fprintf(stderr, "rank %d: %s\n", options_.rank, line.c_str());
    }
  };
  absl::StatusOr<std::unique_ptr<Mesh>> connected =
      Mesh::Connect(*std::move(options_.listener), std::move(mesh), std::move(handlers));
  if (!connected.ok()) return connected.status();
  mesh_ = *std::move(connected);
  return absl::OkStatus();
}

void Generation::OnMessage(int from, Message message) {
  if (message.kind == FrameKind::kControl) {
    const absl::Status delivered = link_.Deliver(from, message);
    if (!delivered.ok() && !finishing_) Abandon(delivered);
    return;
  }
  // Rows are asked for only after every member has answered SetUp, so the exchange is there.
  if (Exchange* exchange = exchange_.load(); exchange != nullptr) {
    exchange->Receive(from, std::move(message));
  } else {
    link_.Close(
        absl::DataLossError(absl::StrCat("rank ", from, " sent rows before it was told to")));
  }
}

void Generation::Abandon(const absl::Status& why) {
  link_.Close(why);
  if (Exchange* exchange = exchange_.load(); exchange != nullptr) exchange->Close(why);
}

void Generation::OnGone(int peer, const std::string& how, bool host_lost) {
  if (finishing_) return;
  const std::string& host = options_.hosts[static_cast<std::size_t>(peer)];
  const absl::Status why = LostRank(absl::StrCat("rank ", peer, " on ", host, " was lost: ", how),
                                    host_lost ? host : "");
  // Of many ranks that notice, the coordinator says it; where that is the one lost, its next in
  // rank.
  if (!coordinates() && !(peer == 0 && options_.rank == 1)) silent_ = true;
  Abandon(why);
}

std::uint32_t Generation::ThreadsWanted() const {
  const std::uint32_t configured = job().cluster().threads();
  return configured > 0 ? configured : std::max(1U, options_.cores);
}

absl::StatusOr<Reply> Generation::SetUpMember(const SetUp& set_up) {
  absl::StatusOr<Placement> placement =
      Placement::Make({.partitions = job().train().partitions(),
                       .threads = {set_up.threads().begin(), set_up.threads().end()},
                       .servers = job().cluster().servers()});
  if (!placement.ok()) return placement.status();
  placement_ = *std::move(placement);
  if (!data_.has_value()) {
    UsersOfPartitions users = {.partitioning = placement_->partitioning(), .ranges = {}};
    for (const std::uint32_t seat : placement_->workers().OnRank(options_.rank)) {
      users.ranges.push_back(placement_->workers().range(seat));
    }
    absl::StatusOr<TrainingData> data = TrainingData::OpenPart(
        job(), users, {.key = set_up.cut_key(), .sample = set_up.cut_sample()},
        {.mean = set_up.rating_mean(), .min = set_up.rating_min(), .max = set_up.rating_max()});
    if (!data.ok()) return data.status();
    data_ = *std::move(data);
  }
  if (data_->data.digest() != options_.note.dataset_digest()) {
    return absl::FailedPreconditionError(absl::StrCat(
        job().data().path(), " on ", options_.hosts[static_cast<std::size_t>(options_.rank)],
        " is another data set than rank 0's"));
  }
  if (!options_.note.snapshot().empty() && !snapshot_.has_value()) {
    absl::StatusOr<Snapshot> snapshot = Snapshot::Open(options_.note.snapshot());
    if (!snapshot.ok()) return snapshot.status();
    snapshot_ = *std::move(snapshot);
  }
  absl::StatusOr<std::unique_ptr<Member>> member =
      Member::Open({.job = job(),
                    .rank = options_.rank,
                    .generation = options_.note.generation(),
                    .snapshots_folder = absl::StrCat(options_.note.run_folder(), "/snapshots"),
                    .snapshot = snapshot_.has_value() ? &*snapshot_ : nullptr,
                    .data = &*data_,
                    .placement = &*placement_,
                    .mesh = mesh_.get(),
                    .make_store = options_.make_store});
  if (!member.ok()) return member.status();
  member_ = *std::move(member);
  exchange_ = &member_->exchange();
  return Reply();
}

absl::StatusOr<Reply> Generation::Execute(const Command& command) {
  if (command.has_set_up()) return SetUpMember(command.set_up());
  if (member_ == nullptr) return absl::DataLossError("a command before SetUp");
  return member_->Execute(command);
}

absl::StatusOr<Verdict> Generation::Coordinate() {
  // Opened first, so that the summary and the user's mistakes come before any memory is taken.
  absl::StatusOr<TrainingData> data = TrainingData::Open(job());
  if (!data.ok()) return data.status();
  data_ = *std::move(data);
  const absl::StatusOr<std::vector<Join>> members = AwaitMembers();
  if (!members.ok()) return members.status();
  SetUp set_up = AgreeOnThreads(*members);
  set_up.set_rating_mean(data_->statistics.mean);
  set_up.set_rating_min(data_->statistics.min);
  set_up.set_rating_max(data_->statistics.max);
  set_up.set_cut_key(data_->split.cut().key);
  set_up.set_cut_sample(data_->split.cut().sample);
  Command command;
  *command.mutable_set_up() = set_up;
  // Refused before anybody works on it.
  absl::StatusOr<Placement> placement =
      Placement::Make({.partitions = job().train().partitions(),
                       .threads = {set_up.threads().begin(), set_up.threads().end()},
                       .servers = job().cluster().servers()});
  if (!placement.ok()) return placement.status();
  for (int rank = 0; rank < ranks_; ++rank) {
    absl::Status fits = CheckMemory(job(), *data_, *placement, rank,
                                    (*members)[static_cast<std::size_t>(rank)].memory());
    if (!fits.ok()) return fits;
  }
  Announce(set_up);
  RunStatus status = MakeStatus(set_up);
  absl::Status told = WriteStatus(*options_.folder, status);
  if (!told.ok()) return told;
  absl::StatusOr<std::vector<Reply>> ready = ExecuteEverywhere(command);
  if (!ready.ok()) return ready.status();

  absl::StatusOr<Coordinator> coordinator = Coordinator::Open(
      {.job = job(),
       .generation = options_.note.generation(),
       .folder = options_.folder,
       .data = &*data_,
       .snapshot = snapshot_.has_value() ? &*snapshot_ : nullptr,
       .console = options_.console,
       .execute = [this](Command next) { return ExecuteEverywhere(std::move(next)); },
       .stop_requested = options_.stop_requested,
       .profile = options_.profile,
       .status = std::move(status)});
  if (!coordinator.ok()) return coordinator.status();
  return coordinator->Run();
}

absl::StatusOr<std::vector<Join>> Generation::AwaitMembers() {
  std::vector<Join> members(static_cast<std::size_t>(ranks_));
  members[0].set_threads(ThreadsWanted());
  members[0].set_memory(options_.memory);
  for (int rank = 1; rank < ranks_; ++rank) {
    absl::StatusOr<Envelope> envelope = link_.Await(rank);
    if (!envelope.ok()) return envelope.status();
    if (!envelope->has_join())
      return absl::DataLossError(absl::StrCat("rank ", rank, " did not join"));
    members[static_cast<std::size_t>(rank)] = envelope->join();
  }
  return members;
}

SetUp Generation::AgreeOnThreads(const std::vector<Join>& members) const {
  std::vector<std::uint32_t> threads;
  for (const Join& member : members) threads.push_back(std::max(1U, member.threads()));
  if (job().cluster().threads() == 0) {
    // As many as there are partitions for; a number that the user gave is his own.
    const auto workers =
        static_cast<std::uint32_t>(ranks_) -
        std::min(job().cluster().servers(), static_cast<std::uint32_t>(ranks_ - 1));
    const std::uint32_t most = std::max(1U, job().train().partitions() / workers);
    std::uint32_t unused = 0;
    for (std::uint32_t& of_rank : threads) {
      unused += of_rank - std::min(of_rank, most);
      of_rank = std::min(of_rank, most);
    }
    if (unused > 0) {
      options_.console->Line(absl::StrCat(unused, " cores stay unused: train.partitions is ",
                                          job().train().partitions(), ", and each can use one"));
    }
  }
  SetUp set_up;
  for (const std::uint32_t of_rank : threads) set_up.add_threads(of_rank);
  return set_up;
}

absl::StatusOr<std::vector<Reply>> Generation::ExecuteEverywhere(Command command) {
  command.set_sequence(++sequence_);
  Envelope envelope;
  *envelope.mutable_command() = command;
  for (int rank = 1; rank < ranks_; ++rank) SendControl(*mesh_, rank, envelope);
  absl::StatusOr<Reply> own = Execute(command);
  if (!own.ok()) return own.status();
  std::vector<Reply> replies = {*std::move(own)};
  for (int rank = 1; rank < ranks_; ++rank) {
    absl::StatusOr<Envelope> answer = link_.Await(rank);
    if (!answer.ok()) return answer.status();
    if (!answer->has_reply() || answer->reply().sequence() != sequence_) {
      return absl::DataLossError(
          absl::StrCat("rank ", rank, " did not answer command ", sequence_));
    }
    if (answer->reply().code() != 0) {
      return absl::Status(static_cast<absl::StatusCode>(answer->reply().code()),
                          absl::StrCat("rank ", rank, ": ", answer->reply().message()));
    }
    replies.push_back(answer->reply());
  }
  return replies;
}

void Generation::Announce(const SetUp& set_up) const {
  Console& console = *options_.console;
  const TrainingData& data = *data_;
  const auto hosts = std::set<std::string>(options_.hosts.begin(), options_.hosts.end()).size();
  std::uint32_t threads = 0;
  for (const std::uint32_t of_rank : set_up.threads()) threads += of_rank;
  const std::uint32_t servers = job().cluster().servers();
  console.Line(absl::StrCat(
      WithThousands(data.split.training_count()), " training and ",
      WithThousands(data.split.validation_count()), " validation samples (", data.split.name(),
      "); ", WithThousands(data.data.users()), " users, ", WithThousands(data.data.items()),
      " items; ", ranks_, ranks_ == 1 ? " rank" : " ranks",
      servers > 0 ? absl::StrCat(" (", servers, " of them servers)") : "", " on ", hosts,
      hosts == 1 ? " host" : " hosts",
      threads > static_cast<std::uint32_t>(ranks_) ? absl::StrCat(", ", threads, " threads") : "",
      ", ", job().train().partitions(), " partitions"));
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;
  for (const TableSpec& table : data.TablesFor(job())) {
    const TableShape& shape = table.shape;
    const std::uint64_t weights = std::uint64_t{shape.rows} * (shape.dim + (shape.biases ? 1 : 0));
    const std::uint64_t table_bytes = shape.rows * RowLayout(shape).stride() * sizeof(float);
    const bool dense = table.layer.has_value();
    console.Line(absl::StrFormat(
        "  table %-8s %s x %d%s  %s parameters, %.1f MiB with optimizer state", shape.name,
        WithThousands(dense ? table.layer->inputs : shape.rows),
        dense ? table.layer->units : shape.dim, dense || shape.biases ? " + bias" : "",
        WithThousands(weights), static_cast<double>(table_bytes) / 1048576.0));
    parameters += weights;
    bytes += table_bytes;
  }
  console.Line(absl::StrFormat(
      "  model: %s parameters, %.1f MiB; batch %s, %s steps an epoch; ratings %g to %g, mean %.4f",
      WithThousands(parameters), static_cast<double>(bytes) / 1048576.0,
      WithThousands(job().train().batch_size()), WithThousands(data.steps_per_epoch(job())),
      data.statistics.min, data.statistics.max, data.statistics.mean));
  if (job().train().schedule() == Train::BLOCKS) AnnounceBlocks();
}

void Generation::AnnounceBlocks() const {
  const Train& train = job().train();
  std::size_t bytes = 0;  // Of the largest block's rows.
  for (const TableSpec& table : data_->TablesFor(job())) {
    const std::uint32_t rows = (table.shape.rows + train.partitions() - 1) / train.partitions();
    bytes += rows * RowLayout(table.shape).stride() * sizeof(float);
  }
  options_.console->Line(absl::StrFormat(
      "  blocks: %d x %d of %.1f MiB of rows, %d rounds an epoch, sub-batches of %d",
      train.partitions(), train.partitions(), static_cast<double>(bytes) / 1048576.0,
      train.rounds(), std::max(1U, train.batch_size() / train.partitions())));
}

RunStatus Generation::MakeStatus(const SetUp& set_up) const {
  RunStatus status;
  status.set_generation(options_.note.generation());
  status.set_phase(RunStatus::STARTING);
  status.set_started_seconds(std::time(nullptr));
  status.set_updated_seconds(status.started_seconds());
  status.set_epochs(job().train().epochs());
  for (const std::string& host : options_.hosts) status.add_hosts(host);
  status.set_servers(job().cluster().servers());
  for (const std::uint32_t threads : set_up.threads()) {
    status.set_threads(status.threads() + threads);
  }
  if (options_.batch.has_value()) *status.mutable_batch() = *options_.batch;
  return status;
}

absl::StatusOr<Verdict> Generation::Follow() {
  Envelope join;
  join.mutable_join()->set_threads(ThreadsWanted());
  join.mutable_join()->set_memory(options_.memory);
  SendControl(*mesh_, 0, join);
  for (;;) {
    absl::StatusOr<Envelope> envelope = link_.Await(0);
    if (!envelope.ok()) {
      // The coordinator may be about to miss this rank before the one that was lost.
      Envelope answer;
      *answer.mutable_reply() = ReplyOf(0, envelope.status());
      SendControl(*mesh_, 0, answer);
      return envelope.status();
    }
    if (!envelope->has_command()) return absl::DataLossError("the coordinator sent no command");
    if (envelope->command().has_finish()) {
      const auto code = static_cast<absl::StatusCode>(envelope->command().finish().code());
      if (code == absl::StatusCode::kOk) {
        return Verdict{.exit_code = kExitFinished, .cause = EndCause::kFinished};
      }
      return absl::Status(code, "");
    }
    const std::uint64_t sequence = envelope->command().sequence();
    // After an error the coordinator ends the job, with Finish or by its own end.
    Envelope answer;
    *answer.mutable_reply() = ReplyOf(sequence, Execute(envelope->command()));
    SendControl(*mesh_, 0, answer);
  }
}

}  // namespace

absl::StatusOr<Verdict> RunGeneration(GenerationOptions options) {
  return Generation(std::move(options)).Run();
}

}  // namespace cf
