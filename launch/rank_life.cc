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
#include "coordinator/regroup.h"
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
        original_(options_.roster.size()),
        first_generation_(options_.note.generation()) {}

  ExitCode Run();

 private:
  GenerationOptions NextGeneration();
  // The exit code of this process, which says what there is to say where it is the end's speaker.
  // mpirun ends the job at the first rank that fails, so another that failed silently would cut off
  // the line before it is read.
  ExitCode Tell(const GenerationEnd& end) const;
  // Ends this process, whatever its other threads do.
  [[noreturn]] void EndHung(const GenerationEnd& end) const;
  // Goes on with those who are left. What else it returns is this process's exit code.
  std::optional<ExitCode> GoOn(const GenerationEnd& lost);
  ExitCode GiveUp(const GenerationEnd& lost, const std::vector<int>& survivors,
                  const std::string& why) const;
  void Spare(bool could) {
    if (options_.keeper.has_value()) options_.keeper->Spare(could);
  }
  bool survives_loss() const { return options_.losses_max > 0 && options_.door.has_value(); }
  const RunFolder* claim() const { return options_.claim.has_value() ? &*options_.claim : nullptr; }

  RankLifeOptions options_;  // As of the generation that runs, or is next.
  const int original_;       // Ranks.
  const std::uint64_t first_generation_;
  Aftermath aftermath_;    // Of the last generation,
  KeptWork kept_;          // and what it has left for the next.
  std::string lost_host_;  // The last that fell silent as a whole.
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
                         .profile = options_.profile,
                         .on_verdict = MakeReport};
  if (options_.note.generation() > first_generation_) {
    next.connect_limit = kMeetingLimit;
    next.lost_at = aftermath_.ended;
  }
  return next;
}

ExitCode RankLife::Run() {
  for (;;) {
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
    if (!survives_loss() || !end.has_lost()) {
      if (end.lost().whole_host() && options_.ends_mpirun) EndLingeringMpirun();
      const ExitCode code = Tell(end);
      const bool refused = VerdictOf(end).exit_code == kExitUserInput;
      if (refused && claim() != nullptr) claim()->Discard();
      return code;
    }
    if (const std::optional<ExitCode> code = GoOn(end); code.has_value()) return *code;
  }
}

std::optional<ExitCode> RankLife::GoOn(const GenerationEnd& lost) {
  const std::vector<int> survivors = SurvivorsOf(options_.roster, lost, aftermath_);
  const bool is_lost = !std::ranges::binary_search(survivors, options_.rank);
  // It has been asleep, or was cut off.
  if (is_lost || OthersHaveGoneOn(options_.note)) return kExitFinished;
  if (lost.lost().whole_host()) lost_host_ = lost.lost().host();
  std::string why = WhyNotInPlace(options_.roster, original_, survivors, lost, aftermath_);
  if (!why.empty()) return GiveUp(lost, survivors, why);
  absl::StatusOr<Regrouped> next = Regroup({.note = options_.note,
                                            .roster = options_.roster,
                                            .rank = options_.rank,
                                            .key = options_.key,
                                            .lost = lost,
                                            .survivors = survivors,
                                            .launch = options_.launch,
                                            .door = &*options_.door,
                                            .first_generation = first_generation_,
                                            .losses_max = options_.losses_max},
                                           options_.claim);
  if (absl::IsCancelled(next.status())) return kExitFinished;
  if (!next.ok()) return GiveUp(lost, survivors, std::string(next.status().message()));
  options_.note = std::move(next->note);
  options_.roster = std::move(next->roster);
  options_.rank = next->rank;
  options_.key = next->key;
  return std::nullopt;
}

ExitCode RankLife::GiveUp(const GenerationEnd& lost, const std::vector<int>& survivors,
                          const std::string& why) const {
  Verdict verdict = VerdictOf(lost);
  absl::StrAppend(&verdict.text, "; not in place, as ", why);
  // It is silent for the next start, too.
  if (verdict.lost_host.empty()) verdict.lost_host = lost_host_;
  if (claim() != nullptr) {
    claim()->WriteVerdict(verdict).IgnoreError();
    MakeReport(*claim()).IgnoreError();
  }
  if (!survivors.empty() && survivors.front() == options_.rank) {
    std::fprintf(stderr, "cfworker: %s\n", verdict.text.c_str());
  }
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
  const bool others_go_on =
      survives_loss() && is_lost &&
      WhyNotInPlace(options_.roster, original_, SurvivorsOf(options_.roster, end, {}), end, {})
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
