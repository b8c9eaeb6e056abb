#include "coordinator/generation.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "common/base/activity.h"
#include "common/base/check.h"
#include "common/base/status.h"
#include "coordinator/early_verdict.h"
#include "coordinator/follower.h"
#include "coordinator/generation_end.h"
#include "coordinator/leader.h"
#include "coordinator/participant.h"

namespace cf {
namespace {

Participant::Options PartOf(GenerationOptions& options,
                            std::function<void(const std::string& line)> on_log) {
  return {.note = options.note,
          .roster = options.roster,
          .rank = options.rank,
          .listener = std::move(options.listener),
          .key = options.key,
          .make_store = options.make_store,
          .on_log = std::move(on_log),
          .on_hang = options.on_hang,
          .connect_limit = options.connect_limit,
          .data_checked = options.data_checked,
          .kept = options.kept != nullptr ? std::move(*options.kept) : KeptWork()};
}

void LeaveBehind(Participant& participant, const GenerationEnd& end,
                 const GenerationOptions& options) {
  if (options.aftermath != nullptr) *options.aftermath = participant.aftermath();
  if (options.kept == nullptr) return;
  const bool goes_on = options.survives_loss && GoesOnInPlace(end);
  *options.kept = goes_on ? participant.KeepWork() : KeptWork();
}

GenerationEnd Follow(GenerationOptions options) {
  const auto say = [rank = options.rank](const std::string& line) {
    std::fprintf(stderr, "rank %d: %s\n", rank, line.c_str());
  };
  Participant participant(PartOf(options, say));
  const Activity::Here here(&participant.activity(), Work::kFollowing);
  absl::Status connected = participant.Connect();
  if (connected.ok() && options.on_connected) options.on_connected();
  GenerationEnd end = connected.ok() ? Follower(participant).Run()
                                     : participant.EndBy(connected, participant.rank());
  if (options.ended_at.has_value()) end = EndInPlace(std::move(end));
  LeaveBehind(participant, end, options);
  return end;
}

GenerationEnd Lead(GenerationOptions options) {
  Check(options.claim != nullptr, "whoever leads has claimed the generation");
  Console::Options display = options.console;
  display.log_path = options.claim->log_path();
  const absl::StatusOr<std::unique_ptr<Console>> console = Console::Open(display);
  if (!console.ok()) return FailedBy(console.status(), options.rank);
  const auto say = [&console](const std::string& line) { (*console)->Line(line); };
  std::optional<EarlyVerdict> early;
  if (options.verdict_may_be_early) early.emplace(*options.claim, options.stop_requested);
  Participant participant(PartOf(options, say));
  const Activity::Here here(&participant.activity(), Work::kLeading);
  Leader leader(participant, {.claim = options.claim,
                              .console = console->get(),
                              .batch = std::move(options.batch),
                              .stop_requested = std::move(options.stop_requested),
                              .profile = options.profile,
                              .ended_at = options.ended_at,
                              .after_loss = options.after_loss,
                              .reception = options.reception,
                              .ranks_wanted = options.ranks_wanted});
  const absl::Status connected = participant.Connect();
  if (connected.ok() && options.on_connected) options.on_connected();
  GenerationEnd end = connected.ok() ? leader.Run() : participant.EndBy(connected, options.rank);
  if (options.ended_at.has_value()) end = EndInPlace(std::move(end));
  LeaveBehind(participant, end, options);
  if (options.survives_loss && GoesOnInPlace(end)) return end;
  early.reset();
  const absl::Status written = options.claim->WriteVerdict(VerdictOf(end));
  if (!written.ok() && (end.has_finished() || end.has_stopped())) {
    end = FailedBy(NotOfInput(written), options.rank);
  }
  // After the verdict: whatever comes of it, the run has ended as it has.
  if (!options.on_verdict) return end;
  // It may look at the whole data set and the model, and shall not have to find room beside them.
  if (connected.ok()) participant.FreeWork();
  if (absl::Status made = options.on_verdict(*options.claim); !made.ok()) {
    (*console)->Line(std::string(made.message()));
  }
  return end;
}

}  // namespace

GenerationEnd RunGeneration(GenerationOptions options) {
  const bool leads = options.rank == options.roster.leader();
  return leads ? Lead(std::move(options)) : Follow(std::move(options));
}

}  // namespace cf
