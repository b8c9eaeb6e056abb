#include "launch/join_run.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/strings/str_cat.h>

#include "coordinator/join_file.h"
#include "coordinator/joining.h"
#include "coordinator/regroup.h"
#include "launch/command_line.h"
#include "launch/listening_address.h"
#include "launch/rank_life.h"
#include "launch/resources.h"
#include "run/run_folder.h"

namespace cf {
namespace {

void SayLine(const std::string& line) {
  std::fprintf(stderr, "cfworker: %s\n", line.c_str());
}

MemberResources ResourcesBeside(int others, std::uint32_t cores) {
  const HostResources host = ResourcesOfThisHost();
  const auto ranks = static_cast<std::uint32_t>(others) + 1;
  MemberResources resources;
  resources.set_cores(cores > 0 ? cores : std::max(1U, host.cores / ranks));
  resources.set_memory(host.memory / ranks);
  return resources;
}

JoinRequest RequestOf(const JoinOptions& options) {
  return {
      .run = options.run,
      .program = JoinProgram(VersionText("cfworker")),
      .spare = options.spare,
      .resources = [&options](int others) { return ResourcesBeside(others, options.cores); },
      .address = [](const std::vector<std::string>& hosts,
                    const std::string& interface) { return ListeningAddress(hosts, 0, interface); },
      .say = SayLine};
}

// Meets the others; the options of this rank's life with them.
absl::StatusOr<RankLifeOptions> MeetTheOthers(Invited invited) {
  absl::StatusOr<Roster> roster = Roster::After(invited.end.resized());
  if (!roster.ok()) return roster.status();
  std::optional<RunFolder> claim;  // It never leads.
  absl::StatusOr<Regrouped> met = Regroup({.note = std::move(invited.note),
                                           .roster = *std::move(roster),
                                           .rank = invited.rank,
                                           .key = invited.key,
                                           .end = invited.end,
                                           .door = &invited.door},
                                          claim);
  if (!met.ok()) return met.status();
  SayLine(absl::StrCat("is rank ", met->rank, " of ", met->roster.size(), " of ",
                       met->note.run_folder()));
  return RankLifeOptions{.note = std::move(met->note),
                         .roster = std::move(met->roster),
                         .rank = met->rank,
                         .listener = std::move(invited.listener),
                         .door = std::move(invited.door),
                         .key = met->key,
                         .losses_max = invited.losses_max,
                         .stop_requested = [] { return false; },
                         .ranks_wanted = invited.end.resized().ranks_wanted(),
                         .has_joined = true};
}

}  // namespace

absl::StatusOr<ExitCode> JoinRun(const JoinOptions& options) {
  const JoinRequest request = RequestOf(options);
  for (;;) {
    absl::StatusOr<Invited> invited = WaitForInvitation(request);
    if (absl::IsCancelled(invited.status())) {
      SayLine(absl::StrCat("did not join ", options.run, ": ", invited.status().message()));
      return kExitFinished;
    }
    if (!invited.ok()) return invited.status();
    absl::StatusOr<RankLifeOptions> life = MeetTheOthers(*std::move(invited));
    if (life.ok()) return LiveAsRank(*std::move(life));
    // They have gone on without this process, or are started again.
    SayLine(absl::StrCat("was invited, but: ", life.status().message()));
  }
}

}  // namespace cf
