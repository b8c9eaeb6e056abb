#include "launch/rank_life.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <absl/strings/str_cat.h>

#include "common/base/check.h"
#include "coordinator/generation.h"
#include "coordinator/generation_end.h"
#include "coordinator/reception.h"
#include "coordinator/regroup.h"
#include "coordinator/resize.h"
#include "coordinator/survival.h"
#include "launch/lingering_mpirun.h"
#include "report/report.h"

namespace cf {
namespace {

// What a process may take to write the verdict when a thread of it hangs, perhaps in the very file
// system that the verdict goes to.
constexpr std::chrono::seconds kVerdictLimit(5);

absl::Status MakeReport(const RunFolder& folder) {
  const absl::Status reported = WriteReport(folder);
  return reported.ok() ? reported : Because(reported, "report.html was not written");
}

/// One rank through the generations of its process.
class RankLife {
 public:
  explicit RankLife(RankLifeOptions options)
      : options_(std::move(options)),
        ranks_wanted_(options_.ranks_wanted),
        first_generation_(options_.note.generation()) {
    if (!options_.has_joined) return;
    aftermath_.ended = std::chrono::steady_clock::now();
    aftermath_.data_checked = true;
  }

  ExitCode Run();

 private:
  GenerationOptions NextGeneration();
  // Where this process leads, and the others go on in place.
  void OpenReception();
  // The exit code of this process, which says what there is to say where it is the end's speaker.
  // mpirun ends the job at the first rank that fails, so another that failed silently would cut off
  // the line before it is read.
  ExitCode Tell(const GenerationEnd& end) const;
  // Ends this process, whatever its other threads do.
  [[noreturn]] void EndHung(const GenerationEnd& end) const;
  // Goes on with those who are left after a loss, or who are to go on with others. What else they
  // return is this process's exit code.
  std::optional<ExitCode> GoOn(const GenerationEnd& lost);
  std::optional<ExitCode> GoOnResized(const GenerationEnd& resized);
  absl::Status RegroupAfter(const GenerationEnd& end, const std::vector<int>& survivors);
  ExitCode GiveUp(const GenerationEnd& end, const std::vector<int>& survivors,
                  const std::string& why) const;
  void Spare(bool could) {
    if (options_.keeper.has_value()) options_.keeper->Spare(could);
  }
  bool survives_loss() const { return options_.losses_max > 0 && options_.door.has_value(); }
  const RunFolder* claim() const { return options_.claim.has_value() ? &*options_.claim : nullptr; }

  RankLifeOptions options_;  // As of the generation that runs, or is next.
  std::uint32_t ranks_wanted_;
  const std::uint64_t first_generation_;
  bool after_loss_ = false;  // The generation that runs.
  Aftermath aftermath_;      // Of the last generation,
  KeptWork kept_;            // and what it has left for the next.
  std::string lost_host_;    // The last that fell silent as a whole.
  std::unique_ptr<Reception> reception_;
};

GenerationOptions RankLife::NextGeneration() {
  GenerationOptions next{.note = options_.note,
                         .roster = options_.roster,
                         .rank = options_.rank,
                         .key = options_.key,
                         .claim = claim(),
                         .on_hang = [this](const GenerationEnd& end) { EndHung(end); },
                         .on_connected = [this] { Spare(survives_loss()); },
                         .survives_loss = survives_loss(),
                         .aftermath = &aftermath_,
                         .kept = &kept_,
                         .data_checked = aftermath_.data_checked,
                         .console = options_.console,
                         .batch = options_.batch,
                         .stop_requested = options_.stop_requested,
                         // cfrun ends what has one and does not end by itself.
                         .verdict_may_be_early = options_.launch.empty(),
                         .reception = reception_.get(),
                         .ranks_wanted = ranks_wanted_,
                         .profile = options_.profile,
                         .on_verdict = MakeReport};
  if (options_.has_joined || options_.note.generation() > first_generation_) {
    next.connect_limit = kMeetingLimit;
    next.ended_at = aftermath_.ended;
    next.after_loss = after_loss_;
  }
  return next;
}

void RankLife::OpenReception() {
  if (!survives_loss() || options_.rank != options_.roster.leader()) return;
  if (reception_ == nullptr) {
    absl::StatusOr<std::unique_ptr<Reception>> opened =
        Reception::Open({.note = options_.note,
                         .key = options_.key,
                         .address = options_.door->endpoint().address,
                         .host = options_.roster.at(options_.rank).host,
                         .path = claim()->join_path(),
                         .program = options_.program,
                         .losses_max = options_.losses_max});
    if (!opened.ok()) {
      const std::string why(opened.status().message());
      std::fprintf(stderr, "cfworker: nobody can join the job: %s\n", why.c_str());
      return;
    }
    reception_ = *std::move(opened);
  }
  std::vector<std::string> hosts;
  for (const RosterMember& member : options_.roster.members()) hosts.push_back(member.host);
  reception_->SetHosts(std::move(hosts));
}

ExitCode RankLife::Run() {
  for (;;) {
    OpenReception();
    GenerationOptions next = NextGeneration();
    if (options_.roster.size() > 1) {
      Check(options_.listener.has_value(), "a rank of several listens");
      absl::StatusOr<Listener> listener = options_.listener->Share();
      if (!listener.ok()) return Tell(FailedBy(listener.status(), options_.rank));
      next.listener = *std::move(listener);
    }
    const GenerationEnd end = RunGeneration(std::move(next));
    // From here on the others count on this process.
    Spare(false);
    if (!survives_loss() || !GoesOnInPlace(end)) {
      const bool over = VerdictOf(end).cause != EndCause::kLost;
      if (reception_ != nullptr && over) reception_->Dismiss();
      if (end.lost().whole_host() && options_.ends_mpirun) EndLingeringMpirun();
      const ExitCode code = Tell(end);
      const bool refused = VerdictOf(end).exit_code == kExitUserInput;
      if (refused && claim() != nullptr) claim()->Discard();
      return code;
    }
    const std::optional<ExitCode> code = end.has_lost() ? GoOn(end) : GoOnResized(end);
    if (code.has_value()) return *code;
    after_loss_ = end.has_lost();
  }
}

std::optional<ExitCode> RankLife::GoOn(const GenerationEnd& lost) {
  const std::vector<int> survivors = SurvivorsOf(options_.roster, lost, aftermath_);
  const bool is_lost = !std::ranges::binary_search(survivors, options_.rank);
  // It has been asleep, or was cut off.
  if (is_lost || OthersHaveGoneOn(options_.note)) return kExitFinished;
  if (lost.lost().whole_host()) lost_host_ = lost.lost().host();
  const std::string why =
      WhyNotInPlace(options_.roster, static_cast<int>(ranks_wanted_), survivors, lost, aftermath_);
  if (!why.empty()) return GiveUp(lost, survivors, why);
  const absl::Status gone_on = RegroupAfter(lost, survivors);
  if (absl::IsCancelled(gone_on)) return kExitFinished;
  if (!gone_on.ok()) return GiveUp(lost, survivors, std::string(gone_on.message()));
  return std::nullopt;
}

std::optional<ExitCode> RankLife::GoOnResized(const GenerationEnd& resized) {
  const absl::StatusOr<Roster> next = Roster::After(resized.resized());
  if (!next.ok()) return GiveUp(resized, {}, std::string(next.status().message()));
  // It was told to leave, or has been asleep.
  const MemberId own = options_.roster.at(options_.rank).id;
  if (!next->RankOf(own).has_value() || OthersHaveGoneOn(options_.note)) return kExitFinished;
  absl::Status gone_on = RegroupAfter(resized, {});
  const GenerationEnd without = WithoutWhoJoins(resized, options_.roster);
  const bool somebody_joins = without.resized().members_size() < resized.resized().members_size();
  if (!gone_on.ok() && !absl::IsCancelled(gone_on) && somebody_joins) {
    // Who was to join has not come: without him, then.
    gone_on = RegroupAfter(without, {});
  }
  if (absl::IsCancelled(gone_on)) return kExitFinished;
  if (!gone_on.ok()) return GiveUp(resized, {}, std::string(gone_on.message()));
  ranks_wanted_ = resized.resized().ranks_wanted();
  return std::nullopt;
}

absl::Status RankLife::RegroupAfter(const GenerationEnd& end, const std::vector<int>& survivors) {
  absl::StatusOr<Regrouped> next = Regroup({.note = options_.note,
                                            .roster = options_.roster,
                                            .rank = options_.rank,
                                            .key = options_.key,
                                            .end = end,
                                            .survivors = survivors,
                                            .launch = options_.launch,
                                            .door = &*options_.door,
                                            .first_generation = first_generation_,
                                            .losses_max = options_.losses_max},
                                           options_.claim);
  if (!next.ok()) return next.status();
  options_.note = std::move(next->note);
  options_.roster = std::move(next->roster);
  options_.rank = next->rank;
  options_.key = next->key;
  return absl::OkStatus();
}

ExitCode RankLife::GiveUp(const GenerationEnd& end, const std::vector<int>& survivors,
                          const std::string& why) const {
  Verdict verdict = VerdictOf(end);
  absl::StrAppend(&verdict.text, "; not in place, as ", why);
  // It is silent for the next start, too.
  if (verdict.lost_host.empty()) verdict.lost_host = lost_host_;
  if (claim() != nullptr) {
    claim()->WriteVerdict(verdict).IgnoreError();
    MakeReport(*claim()).IgnoreError();
  }
  const bool speaks = end.has_lost() ? !survivors.empty() && survivors.front() == options_.rank
                                     : end.speaker() == static_cast<std::uint32_t>(options_.rank);
  if (speaks) std::fprintf(stderr, "cfworker: %s\n", verdict.text.c_str());
  // Of everybody: the speaker of the end may be lost, too.
  return verdict.exit_code;
}

ExitCode RankLife::Tell(const GenerationEnd& end) const {
  const Verdict verdict = VerdictOf(end);
  if (end.speaker() != static_cast<std::uint32_t>(options_.rank)) return kExitFinished;
  if (verdict.cause == EndCause::kLost || verdict.cause == EndCause::kFailed) {
    std::fprintf(stderr, "cfworker: %s\n", verdict.text.c_str());
  }
  return verdict.exit_code;
}

void RankLife::EndHung(const GenerationEnd& end) const {
  const bool is_lost =
      end.has_lost() && end.lost().rank() == static_cast<std::uint32_t>(options_.rank);
  const bool others_go_on = survives_loss() && is_lost &&
                            WhyNotInPlace(options_.roster, static_cast<int>(ranks_wanted_),
                                          SurvivorsOf(options_.roster, end, {}), end, {})
                                .empty();
  if (others_go_on) ::_exit(kExitFinished);
  const ExitCode code = Tell(end);
  if (claim() != nullptr) {
    auto written = std::make_shared<std::promise<void>>();
    std::future<void> done = written->get_future();
    // The end of the process ends the thread, too.
    std::thread([written, folder = claim(), verdict = VerdictOf(end)] {
      folder->WriteVerdict(verdict).IgnoreError();
      written->set_value();
    }).detach();
    done.wait_for(kVerdictLimit);
  }
  ::_exit(survives_loss() ? kExitFailed : code);
}

}  // namespace

ExitCode LiveAsRank(RankLifeOptions options) {
  if (options.keeper.has_value()) {
    // The others, where there are any left, go on without it long before.
    options.keeper->EndWhenStopped(
        std::chrono::seconds(3 * options.note.job().cluster().timeout_seconds()));
  }
  return RankLife(std::move(options)).Run();
}

}  // namespace cf
