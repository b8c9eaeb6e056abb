#include "launch/death.h"

#include <csignal>
#include <cstring>
#include <vector>

#include <absl/strings/match.h>
#include <absl/strings/str_cat.h>

#include "launch/meeting.h"
#include "launch/mpirun_text.h"

namespace cf {
namespace {

// What a signal says of its reason, where that is a limit.
std::string LimitBehind(int signal) {
  switch (signal) {
    case SIGXCPU:
      return ", the limit of its processor time (ulimit -t)";
    case SIGXFSZ:
      return ", the limit of a file's size (ulimit -f)";
    case SIGBUS:
      return ", perhaps for want of room in /dev/shm";
    default:
      return "";
  }
}

// Whether the others know no more of the loss than that a connection has ended (TextOf).
bool IsHangUp(const Verdict& verdict) {
  return verdict.cause == EndCause::kLost && verdict.lost_host.empty() &&
         absl::StrContains(verdict.text, " was lost: ") &&
         !absl::StrContains(verdict.text, "thread");
}

}  // namespace

Death ExplainDeath(const JobEnd& end, const std::optional<Verdict>& verdict,
                   const MemoryKills& memory) {
  Death death;
  if (verdict.has_value()) {
    death.why = verdict->text;
  } else {
    death.why = LastLineOfRanks(end.errors);
    if (death.why.empty() && end.signal != 0) {
      death.why = absl::StrCat("mpirun was killed by signal ", end.signal, " (",
                               ::strsignal(end.signal), ")");
    } else if (death.why.empty()) {
      death.why = absl::StrCat("mpirun ended with exit code ", end.exit_code);
    }
    death.said = ExplanationIn(end.errors);
  }
  if (verdict.has_value() && !IsHangUp(*verdict)) return death;
  const std::optional<RankDeath> killed = FindDeath(end.errors);
  if (killed.has_value()) {
    const std::size_t not_in_place = death.why.find("; not in place, as ");
    const std::string rest =
        not_in_place == std::string::npos ? "" : death.why.substr(not_in_place);
    death.why = absl::StrCat("rank ", killed->rank, " on ", killed->host, " was killed by signal ",
                             killed->signal, " (", ::strsignal(killed->signal),
                             LimitBehind(killed->signal), ")", rest);
  }
  if (killed.has_value() && killed->signal != SIGKILL) return death;
  if (const std::string kills = memory.Since(); !kills.empty()) {
    absl::StrAppend(&death.why, "; ", kills, ": give it more, or more hosts");
    death.again = false;
  }
  return death;
}

Death ExplainNoMeeting(const JobEnd& end, const Meeting& meeting) {
  const std::vector<std::string> by_rank = HostsByRank(end.map);
  const std::optional<std::vector<int>> missing =
      MissingRanks(meeting.run, meeting.name, meeting.ranks);
  RemoveMeetingMarks(meeting.run);
  const std::string in_time = absl::StrCat(" within ", meeting.seconds, " s");
  Death death{.why = {}, .said = ExplanationIn(end.errors)};
  if (by_rank.empty()) {
    // mpirun starts the ranks once each host has answered.
    death.why = absl::StrCat("no rank was started", in_time, ": a host does not answer");
  } else if (!missing.has_value()) {
    death.why = absl::StrCat("rank 0 on ", by_rank[0], " has not taken the run", in_time);
  } else {
    death.why = absl::StrCat(NameMissing(*missing, by_rank),
                             " not come to the meeting of the ranks", in_time);
  }
  return death;
}

}  // namespace cf
