#include "coordinator/joining.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "common/base/host.h"
#include "common/base/status.h"
#include "common/dataset/dataset.h"
#include "common/rpc/derived_key.h"
#include "common/rpc/mesh.h"
#include "coordinator/join_file.h"
#include "coordinator/preparation.h"
#include "coordinator/regroup.h"
#include "coordinator/roster.h"
#include "coordinator/visit.h"
#include "run/run_folder.h"

namespace cf {
namespace {

using Clock = std::chrono::steady_clock;

// How long another leader is looked for, perhaps of a job that is started again.
constexpr std::chrono::seconds kPatience(60);
constexpr std::chrono::milliseconds kLookPause(200);

/// What the leader says to this process, a message at a time.
///
/// Owner:   a Visit.
/// Threads: the visitor's takes, the mesh's I/O thread puts.
class MessageQueue {
 public:
  void Put(absl::StatusOr<Joining> said) {
    {
      const std::lock_guard lock(mutex_);
      said_.push_back(std::move(said));
    }
    changed_.notify_one();
  }

  /// Waits for the next; Unavailable: the leader is gone, which comes last.
  absl::StatusOr<Joining> Take() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !said_.empty(); });
    absl::StatusOr<Joining> next = std::move(said_.front());
    said_.pop_front();
    return next;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<absl::StatusOr<Joining>> said_;  // Guarded by mutex_.
};

absl::StatusOr<Joining> Parse(const Message& message) {
  Joining said;
  if (said.ParseFromString(message.control)) return said;
  return absl::UnavailableError("the leader says what cannot be read");
}

absl::Status CheckProgram(const JoinRequest& request, const JoinFile& file) {
  if (file.program == request.program) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(request.run, " is trained by ", file.program,
                                                    ", and this is ", request.program));
}

// Whether this host sees the run folder, and a data set that is the job's to the last byte.
absl::Status CheckJob(const GenerationNote& note) {
  if (absl::Status seen = CheckNote(note.SerializeAsString()); !seen.ok()) return seen;
  const std::string& path = note.job().data().path();
  const absl::StatusOr<Dataset> data = Dataset::Open(path, Dataset::Pages::kAreGivenBack);
  if (!data.ok()) return data.status();
  if (data->digest() != note.dataset_digest()) {
    return absl::FailedPreconditionError(absl::StrCat(path, " on ", HostName(), " has digest ",
                                                      data->digest(), ", and the job's data set ",
                                                      note.dataset_digest()));
  }
  absl::Status whole = data->CheckColumns();
  return whole.ok() ? whole : Because(whole, "on " + HostName());
}

/// One visit at a leader's reception.
class Visit {
 public:
  Visit(const JoinRequest& request, JoinFile file) : request_(request), file_(std::move(file)) {}

  /// Unavailable: the leader is gone, or was not there. Other errors are WaitForInvitation's.
  absl::StatusOr<Invited> Run();

  /// Whether somebody was there who knows the key.
  bool was_welcome() const { return mesh_ != nullptr; }

 private:
  absl::Status Connect();
  absl::StatusOr<Joining> Take();
  absl::Status Introduce(const Joining::Welcome& welcome);
  absl::StatusOr<Invited> Accept(const Joining::Invitation& invitation);

  const JoinRequest& request_;
  const JoinFile file_;
  GenerationNote note_;
  std::optional<Listener> listener_;
  std::optional<Listener> door_;
  MessageQueue messages_;
  std::unique_ptr<Mesh> mesh_;  // Its handlers put into messages_.
};

absl::Status Visit::Connect() {
  // A mesh has a listener, though nobody dials this one.
  absl::StatusOr<Listener> unused = Listener::Open("127.0.0.1");
  if (!unused.ok()) return unused.status();
  Mesh::Handlers handlers;
  handlers.on_message = [this](int, const Message& message) { messages_.Put(Parse(message)); };
  handlers.on_lost = [this](int, const absl::Status& why) {
    messages_.Put(absl::UnavailableError(absl::StrCat("the leader is gone: ", why.message())));
  };
  handlers.on_left = [this](int) { messages_.Put(absl::UnavailableError("the leader has left")); };
  absl::StatusOr<std::unique_ptr<Mesh>> mesh = Mesh::Connect(
      *std::move(unused),
      VisitOptions(kVisitorRank, file_.reception, KeyOfVisits(file_.key), file_.generation),
      std::move(handlers));
  if (!mesh.ok()) return mesh.status();
  mesh_ = *std::move(mesh);
  return absl::OkStatus();
}

absl::StatusOr<Joining> Visit::Take() {
  absl::StatusOr<Joining> said = messages_.Take();
  if (!said.ok()) return said;
  if (said->has_refusal()) return absl::FailedPreconditionError(said->refusal());
  if (said->over()) return absl::CancelledError("the job has ended");
  return said;
}

absl::Status Visit::Introduce(const Joining::Welcome& welcome) {
  note_ = welcome.note();
  if (absl::Status seen = CheckJob(note_); !seen.ok()) return seen;
  std::vector<std::string> hosts = {HostName()};
  hosts.insert(hosts.end(), welcome.hosts().begin(), welcome.hosts().end());
  const auto others = static_cast<int>(std::count(hosts.begin() + 1, hosts.end(), hosts.front()));
  const absl::StatusOr<std::string> address =
      request_.address(hosts, note_.job().cluster().interface());
  if (!address.ok()) return address.status();
  for (std::optional<Listener>* const listener : {&listener_, &door_}) {
    absl::StatusOr<Listener> opened = Listener::Open(*address);
    if (!opened.ok()) return opened.status();
    *listener = *std::move(opened);
  }
  Joining said;
  Joining::Request& wish = *said.mutable_request();
  wish.set_host(hosts.front());
  *wish.mutable_endpoint() = AddressOf(listener_->endpoint());
  *wish.mutable_door() = AddressOf(door_->endpoint());
  *wish.mutable_resources() = request_.resources(others);
  wish.set_spare(request_.spare);
  Say(*mesh_, said);
  return absl::OkStatus();
}

absl::StatusOr<Invited> Visit::Accept(const Joining::Invitation& invitation) {
  const absl::StatusOr<Roster> roster = Roster::After(invitation.end().resized());
  if (!roster.ok()) return absl::UnavailableError(roster.status().message());
  const std::optional<int> rank = roster->RankOf(MemberId{invitation.id()});
  if (!rank.has_value() || invitation.generation() < file_.generation) {
    return absl::UnavailableError("it was invited by mistake");
  }
  // Each generation since that of the file has a key that follows from the one before (Regroup).
  JobKey key = file_.key;
  for (std::uint64_t g = file_.generation + 1; g <= invitation.generation(); ++g) {
    key = KeyOfGeneration(key, g);
  }
  note_.set_generation(invitation.generation());
  return Invited{.note = std::move(note_),
                 .key = key,
                 .end = invitation.end(),
                 .rank = *rank,
                 .losses_max = invitation.losses_max(),
                 .listener = *std::move(listener_),
                 .door = *std::move(door_)};
}

absl::StatusOr<Invited> Visit::Run() {
  if (absl::Status program = CheckProgram(request_, file_); !program.ok()) return program;
  const bool is_loopback = file_.reception.address == "127.0.0.1";
  if (is_loopback && file_.host != HostName()) {
    return absl::FailedPreconditionError(
        absl::StrCat(request_.run, " has all of its ranks on ", file_.host,
                     ", and they listen to no other host: start this process there"));
  }
  if (absl::Status connected = Connect(); !connected.ok()) return connected;
  absl::StatusOr<Joining> welcome = Take();
  if (!welcome.ok()) return welcome.status();
  if (!welcome->has_welcome())
    return absl::UnavailableError("the leader does not say what it does");
  if (absl::Status done = Introduce(welcome->welcome()); !done.ok()) return done;
  request_.say(absl::StrCat("waits to join ", request_.run,
                            request_.spare ? " when a rank is lost" : " at its next snapshot"));
  absl::StatusOr<Joining> invitation = Take();
  if (!invitation.ok()) return invitation.status();
  if (!invitation->has_invitation())
    return absl::UnavailableError("the leader says what is not asked");
  return Accept(invitation->invitation());
}

// Why nobody can be found in `folder`; OK where somebody may be, in a moment.
absl::Status CheckRuns(const RunFolder& folder) {
  const absl::StatusOr<std::string> holder = folder.Holder();
  if (!holder.ok() || !holder->empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(folder.path(), " is not running"));
}

absl::Status NotOfThatJob(const RunFolder& folder, const JoinFile& file) {
  return absl::FailedPreconditionError(
      absl::StrCat(folder.join_path(), " is not of a job that listens at ", file.reception.address,
                   " port ", file.reception.port));
}

absl::Status NotToBeJoined(const JoinRequest& request) {
  return absl::FailedPreconditionError(
      absl::StrCat(request.run,
                   " cannot be joined: its job needs cfrun, two ranks or more, no --servers and no "
                   "--no-survival"));
}

}  // namespace

absl::StatusOr<Invited> WaitForInvitation(const JoinRequest& request) {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(request.run);
  if (!folder.ok()) return folder.status();
  Clock::time_point deadline = Clock::now() + request.patience;
  bool was_welcome = false;
  std::optional<JoinFile> refused;  // By a key that the one who listens there does not know.
  for (;;) {
    if (absl::Status runs = CheckRuns(*folder); !runs.ok() && !was_welcome) return runs;
    const absl::StatusOr<JoinFile> file = ReadJoinFile(folder->join_path());
    if (!file.ok() && !absl::IsNotFound(file.status())) {
      return absl::FailedPreconditionError(file.status().message());
    }
    if (file.ok() && refused == *file) return NotOfThatJob(*folder, *file);
    if (file.ok()) {
      Visit visit(request, *file);
      absl::StatusOr<Invited> invited = visit.Run();
      const bool is_unknown = absl::IsPermissionDenied(invited.status()) && !visit.was_welcome();
      const bool is_away =
          absl::IsUnavailable(invited.status()) || absl::IsDeadlineExceeded(invited.status());
      if (!is_unknown && !is_away) return invited;
      if (is_unknown) refused = *file;
      if (visit.was_welcome()) {
        was_welcome = true;
        deadline = Clock::now() + kPatience;
      }
    }
    if (Clock::now() > deadline) {
      if (was_welcome) return absl::CancelledError("the job has ended, or nobody leads it");
      return file.ok() ? NotOfThatJob(*folder, *file) : NotToBeJoined(request);
    }
    std::this_thread::sleep_for(kLookPause);
  }
}

}  // namespace cf
