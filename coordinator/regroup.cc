#include "coordinator/regroup.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/check.h"
#include "common/base/fault_point.h"
#include "common/base/status.h"
#include "common/rpc/derived_key.h"
#include "common/rpc/mesh.h"
#include "common/snapshot/manifest.h"
#include "common/snapshot/snapshot_store.h"
#include "coordinator/participant.h"
#include "coordinator/preparation.h"
#include "coordinator/resume_choice.h"
#include "coordinator/survival.h"
#include "run/finished_verdict.h"

namespace cf {
namespace {

// What the kernel may take to free the lock of a leader that was killed, whose connections it has
// closed: a little, unless the leader lives.
constexpr std::chrono::seconds kClaimLimit(2);
constexpr std::chrono::milliseconds kClaimPause(2);

// The members in the order of their ranks.
std::string IdsOf(const Roster& roster) {
  return absl::StrJoin(roster.members(), ",", [](std::string* out, const RosterMember& member) {
    absl::StrAppend(out, static_cast<std::uint32_t>(member.id));
  });
}

// Those who meet, as `from` sees it.
absl::StatusOr<Roster> NextRoster(const Regrouping& from) {
  return from.end.has_resized() ? Roster::After(from.end.resized())
                                : from.roster.Of(from.survivors);
}

/// A mesh of those who go on, for one message: their leader tells the others how.
///
/// Owner:   Regroup.
/// Threads: one, beside the mesh's own.
/// Invariants: the first to leave or to be lost ends the meeting for all who are still waiting.
class Meeting {
 public:
  static absl::StatusOr<std::unique_ptr<Meeting>> Open(const Regrouping& from, const Roster& roster,
                                                       int rank) {
    std::unique_ptr<Meeting> meeting(new Meeting);
    if (roster.size() == 1) return meeting;
    Check(from.door != nullptr, "who meets others has a door");
    absl::StatusOr<Listener> door = from.door->Share();
    if (!door.ok()) return door.status();
    // Those who do not see the same members do not know the key.
    const JobKey key =
        DeriveKey(from.key, absl::StrCat("meeting after generation ", from.note.generation(),
                                         " of members ", IdsOf(roster)));
    Mesh::Handlers handlers;
    Meeting* const self = meeting.get();
    handlers.on_message = [self](int, Message message) { self->Hear(std::move(message.control)); };
    handlers.on_lost = [self](int peer, const absl::Status& why) {
      self->Hear(absl::AbortedError(absl::StrCat("rank ", peer, ": ", why.message())));
    };
    // Others leave as soon as they have heard what is still on its way to this one.
    const int leader = roster.leader();
    handlers.on_left = [self, rank, leader](int peer) {
      if (rank == leader || peer == leader) {
        self->Hear(absl::AbortedError(absl::StrCat("rank ", peer, " gave up")));
      }
    };
    absl::StatusOr<std::unique_ptr<Mesh>> mesh =
        Mesh::Connect(*std::move(door),
                      {.rank = rank,
                       .endpoints = roster.doors(),
                       .key = key,
                       .generation = from.note.generation(),
                       .protection = ProtectionOf(from.note.job().cluster().frames()),
                       .timeout = kMeetingLimit},
                      std::move(handlers));
    if (!mesh.ok()) return mesh.status();
    meeting->mesh_ = *std::move(mesh);
    return meeting;
  }

  /// What the leader says. DeadlineExceeded: nothing.
  absl::StatusOr<std::string> Listen() {
    if (heard_.wait_for(kMeetingLimit) != std::future_status::ready) {
      return absl::DeadlineExceededError("the first of the ranks says nothing");
    }
    return heard_.get();
  }

  void Tell(const std::string& text) {
    for (int rank = 0; mesh_ != nullptr && rank < mesh_->size(); ++rank) {
      if (rank == mesh_->rank()) continue;
      Message message;
      message.control = text;
      mesh_->Send(rank, std::move(message));
    }
  }

  /// OK as long as everybody is there.
  absl::Status Look() {
    if (heard_.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
      return absl::OkStatus();
    }
    const absl::StatusOr<std::string> heard = heard_.get();
    return heard.ok() ? absl::DataLossError("somebody else leads, too") : heard.status();
  }

 private:
  Meeting() = default;
  void Hear(absl::StatusOr<std::string> heard) {
    std::call_once(once_, [&] { promise_.set_value(std::move(heard)); });
  }

  std::once_flag once_;
  std::promise<absl::StatusOr<std::string>> promise_;
  std::future<absl::StatusOr<std::string>> heard_ = promise_.get_future();
  // Its handlers use what stands above. Null where nobody else is left.
  std::unique_ptr<Mesh> mesh_;
};

// Claims the generation after the one that has ended. Aborted: the claim is somebody else's by now.
absl::Status ClaimNext(std::optional<RunFolder>& claim, const Regrouping& from) {
  const GenerationNote& ended = from.note;
  if (!claim.has_value()) {
    absl::StatusOr<RunFolder> folder = RunFolder::Open(ended.run_folder());
    if (!folder.ok()) return folder.status();
    claim = *std::move(folder);
  }
  const auto deadline = std::chrono::steady_clock::now() + kClaimLimit;
  absl::StatusOr<std::uint64_t> claimed = claim->ClaimGeneration(from.launch);
  while (absl::IsFailedPrecondition(claimed.status()) &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(kClaimPause);
    claimed = claim->ClaimGeneration(from.launch);
  }
  if (!claimed.ok()) return claimed.status();
  if (*claimed == ended.generation() + 1) return absl::OkStatus();
  return absl::AbortedError("another job has gone on in the run folder");
}

/// From where the next generation goes on.
struct Continuation {
  ResumeChoice choice;
  std::uint64_t losses = 0;  ///< Without a new snapshot in between, this one included.
};

absl::StatusOr<Continuation> FindContinuation(const Regrouping& from, const RunFolder& folder,
                                              const SnapshotStore& store) {
  absl::StatusOr<ResumeChoice> choice = ChooseSnapshot(store, {});
  if (!choice.ok()) return choice.status();
  std::uint64_t since = from.first_generation;
  if (choice->manifest.has_value()) {
    const Manifest& manifest = *choice->manifest;
    if (manifest.data().digest() != from.note.dataset_digest()) {
      return absl::AbortedError("the newest snapshot is of another data set");
    }
    if (FinishedVerdict(manifest, from.note.job(), from.note.run_folder()).has_value()) {
      return absl::AbortedError("the job has finished");
    }
    since = std::max(since, TimeOf(manifest).generation);
  }
  const std::uint64_t losses = folder.LossesBetween(since, from.note.generation()) +
                               static_cast<std::uint64_t>(from.end.has_lost());
  if (losses > from.losses_max) {
    return absl::ResourceExhaustedError(
        absl::StrCat("it is loss ", losses, " without a new snapshot"));
  }
  return Continuation{.choice = *std::move(choice), .losses = losses};
}

// The note of the next generation, which this process leads and claims.
absl::StatusOr<GenerationNote> Lead(const Regrouping& from, std::optional<RunFolder>& claim) {
  GenerationNote note = from.note;
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(note.run_folder());
  if (!folder.ok()) return folder.status();
  // Of a roster that was resized the next generation hears it.
  if (from.end.has_lost() && folder->StopRequested())
    return absl::AbortedError("the job was asked to stop");
  const absl::StatusOr<SnapshotStore> store = SnapshotStore::View(folder->snapshots_path());
  if (!store.ok()) return store.status();
  // What is refused leaves no trace, so it is looked at before the claim, and again behind it: a
  // leader that hung may have committed a snapshot with its last breath.
  if (const auto refused = FindContinuation(from, *folder, *store); !refused.ok())
    return refused.status();
  FaultAt("regroup.claim");
  if (absl::Status claimed = ClaimNext(claim, from); !claimed.ok()) return claimed;
  FaultAt("regroup.claimed");
  const absl::StatusOr<Continuation> next = FindContinuation(from, *folder, *store);
  if (!next.ok()) return next.status();
  const ResumeChoice& choice = next->choice;
  note.set_generation(note.generation() + 1);
  note.set_nonce(claim->nonce());
  note.set_snapshot(choice.manifest.has_value() ? store->PathOf(choice.manifest->name()) : "");
  note.clear_passed_over();
  for (const PassedOver& damaged : choice.passed_over) {
    DamagedSnapshot& one = *note.add_passed_over();
    one.set_name(damaged.name);
    one.set_why(damaged.why);
  }
  note.clear_notices();
  note.add_notices(from.end.has_resized() ? from.end.resized().text()
                                          : TextOfSurvival(from.roster, from.survivors, from.end,
                                                           next->losses, from.losses_max));
  for (std::string& line : NoticesOf(*store, choice)) note.add_notices(std::move(line));
  if (from.end.has_resized()) {
    if (absl::Status noted = claim->NoteResized(); !noted.ok()) return noted;
  }
  if (absl::Status begun = ContinueLife(*claim, note); !begun.ok()) return begun;
  return note;
}

}  // namespace

JobKey KeyOfGeneration(const JobKey& before, std::uint64_t generation) {
  return DeriveKey(before, absl::StrCat("generation ", generation));
}

bool OthersHaveGoneOn(const GenerationNote& note) {
  const absl::StatusOr<RunFolder> folder = RunFolder::Open(note.run_folder());
  return folder.ok() && folder->LastGeneration().value_or(0) > note.generation();
}

absl::StatusOr<Regrouped> Regroup(const Regrouping& from, std::optional<RunFolder>& claim) {
  absl::StatusOr<Roster> roster = NextRoster(from);
  if (!roster.ok()) return roster.status();
  const std::optional<int> own = roster->RankOf(from.roster.at(from.rank).id);
  Check(own.has_value(), "who goes on is one of those who do");
  Regrouped next{.note = {}, .roster = *std::move(roster), .rank = *own, .key = {}};
  FaultAt("regroup.meet");
  const absl::StatusOr<std::unique_ptr<Meeting>> meeting =
      Meeting::Open(from, next.roster, next.rank);
  if (!meeting.ok()) {
    // They could have met only without this process: nobody claims before all have come.
    if (OthersHaveGoneOn(from.note)) return absl::CancelledError("others have gone on");
    return meeting.status();
  }
  if (next.rank == next.roster.leader()) {
    absl::StatusOr<GenerationNote> note = Lead(from, claim);
    if (!note.ok()) return note.status();
    if (absl::Status all = (*meeting)->Look(); !all.ok()) return all;
    next.note = *std::move(note);
    (*meeting)->Tell(next.note.SerializeAsString());
  } else {
    // Where this process led, another does now.
    claim.reset();
    const absl::StatusOr<std::string> text = (*meeting)->Listen();
    if (!text.ok()) return text.status();
    if (absl::Status seen = CheckNote(*text); !seen.ok()) return seen;
    Check(next.note.ParseFromString(*text), "a note that was checked parses");
  }
  next.key = KeyOfGeneration(from.key, next.note.generation());
  return next;
}

}  // namespace cf
