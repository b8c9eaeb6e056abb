#include "coordinator/resize.h"

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <set>
#include <string>
#include <utility>

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>

#include "common/base/check.h"
#include "common/rows/placement.h"

namespace cf {
namespace {

// What a new deal costs, in epochs: ranks read the rows that come to them, a part of one's, which an epoch goes
// through many times; or everything, which takes longer to read and sort than to train.
constexpr double kCostOfRows = 0.05;
constexpr double kCostOfAll = 0.5;

Roster RosterOf(std::vector<RosterMember> members) {
  const MemberId oldest = std::ranges::min_element(members, {}, &RosterMember::id)->id;
  absl::StatusOr<Roster> roster = Roster::Make(std::move(members), oldest);
  Check(roster.ok(), "members with ids of their own make a roster");
  return *std::move(roster);
}

// Partitions that members who have had some would have to take over.
std::uint32_t TakenOver(const ResizeRequest& request, const std::vector<RosterMember>& members) {
  const Roster roster = RosterOf(members);
  const std::uint32_t partitions = request.job.train().partitions();
  const std::vector<SeatRange> before = RangesBefore(roster, request.places, partitions);
  if (before.empty()) return 0;
  const std::vector<std::uint32_t> threads = ThreadsByRank(request.job, roster);
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  std::vector<std::uint32_t> firsts =
      FirstsNear(before, threads, partitions, FairShare(all_threads, partitions));
  firsts.push_back(partitions);
  std::uint32_t taken = 0;
  for (std::size_t rank = 0; rank < members.size(); ++rank) {
    if (!request.places.contains(members[rank].id)) continue;
    for (std::uint32_t p = firsts[rank]; p < firsts[rank + 1]; ++p) {
      if (p < before[rank].first || p >= before[rank].last) ++taken;
    }
  }
  return taken;
}

// Puts one more where it costs the others least; of equal places in the last.
void Insert(const ResizeRequest& request, RosterMember joiner, std::vector<RosterMember>& members) {
  std::vector<RosterMember> best;
  std::uint32_t least = std::numeric_limits<std::uint32_t>::max();
  for (std::size_t at = members.size() + 1; at-- > 0;) {
    std::vector<RosterMember> next = members;
    next.insert(next.begin() + static_cast<std::ptrdiff_t>(at), joiner);
    const std::uint32_t taken = TakenOver(request, next);
    if (taken >= least) continue;
    least = taken;
    best = std::move(next);
  }
  members = std::move(best);
}

bool HaveEnoughPartitions(const Job& job, const std::vector<RosterMember>& members) {
  const std::vector<std::uint32_t> threads = ThreadsByRank(job, RosterOf(members));
  return std::accumulate(threads.begin(), threads.end(), std::uint64_t{0}) <=
         job.train().partitions();
}

// Those who are on the host have planned with memory that one more needs a share of.
void ShareMemory(const std::string& host, std::vector<RosterMember>& members) {
  const auto there =
      static_cast<std::uint64_t>(std::ranges::count(members, host, &RosterMember::host));
  for (RosterMember& member : members) {
    if (member.host == host) member.memory = member.memory / (there + 1) * there;
  }
}

std::string TextOf(const std::vector<RosterMember>& joining, std::size_t leaving,
                   std::size_t ranks) {
  std::set<std::string> hosts;
  for (const RosterMember& joiner : joining) hosts.insert(joiner.host);
  const auto count = [](std::size_t n, const char* does) {
    return absl::StrCat(n, n == 1 ? " rank " : " ranks ", does, n == 1 ? "s" : "");
  };
  std::vector<std::string> parts;
  if (!joining.empty()) {
    parts.push_back(
        absl::StrCat(count(joining.size(), "join"), " on ", absl::StrJoin(hosts, ", ")));
  }
  if (leaving > 0) parts.push_back(count(leaving, "leave"));
  return absl::StrCat(absl::StrJoin(parts, ", "), "; ", ranks,
                      ranks == 1 ? " rank goes" : " ranks go", " on in place");
}

}  // namespace

std::vector<SeatRange> RangesBefore(const Roster& roster,
                                    const std::map<MemberId, SeatRange>& places,
                                    std::uint32_t partitions) {
  std::vector<SeatRange> before(static_cast<std::size_t>(roster.size()));
  std::uint32_t next = partitions;  // The first partition of whoever comes behind.
  for (std::size_t rank = before.size(); rank-- > 0;) {
    const auto place = places.find(roster.members()[rank].id);
    if (place != places.end()) {
      before[rank] = place->second;
    } else if (roster.members()[rank].joined) {
      before[rank] = {next, next};
    } else {
      return {};
    }
    next = before[rank].first;
  }
  // What nobody has between two ranks is for the first of those who have joined there.
  std::uint32_t last = 0;
  for (std::size_t rank = 0; rank < before.size(); ++rank) {
    if (!places.contains(roster.members()[rank].id)) before[rank].first = last;
    last = before[rank].last;
  }
  return before;
}

GenerationEnd WithoutWhoJoins(const GenerationEnd& resized, const Roster& roster) {
  GenerationEnd without = resized;
  auto& members = *without.mutable_resized()->mutable_members();
  const auto joins = [&roster](const RosterEntry& entry) {
    return !roster.RankOf(MemberId{entry.id()}).has_value();
  };
  members.erase(std::remove_if(members.begin(), members.end(), joins), members.end());
  absl::StrAppend(without.mutable_resized()->mutable_text(),
                  ", but nobody has come: ", members.size(),
                  members.size() == 1 ? " rank goes on" : " ranks go on");
  return without;
}

std::optional<GenerationEnd::Resized> PlanResize(const ResizeRequest& request) {
  std::vector<RosterMember> members = request.roster.members();
  const std::size_t before = members.size();
  // Ids are not used again: others know members by them.
  auto id = static_cast<std::uint32_t>(std::ranges::max(members, {}, &RosterMember::id).id);
  std::vector<RosterMember> joining = request.joining;
  if (request.asked) {
    const std::uint32_t ranks = std::max(1U, request.ranks_wanted);
    while (members.size() > ranks) {
      members.erase(std::ranges::max_element(members, {}, &RosterMember::id));
    }
    joining.resize(std::min<std::size_t>(joining.size(), ranks - members.size()));
  }
  const std::size_t leaving = before - members.size();
  std::size_t joined = 0;
  for (RosterMember& joiner : joining) {
    joiner.id = MemberId{++id};
    joiner.joined = true;
    std::vector<RosterMember> more = members;
    more.push_back(joiner);
    if (!HaveEnoughPartitions(request.job, more)) break;
    ShareMemory(joiner.host, members);
    Insert(request, joiner, members);
    ++joined;
  }
  joining.resize(joined);
  if (joined == 0 && leaving == 0) return std::nullopt;
  GenerationEnd::Resized next;
  for (const RosterMember& member : members) *next.add_members() = EntryOf(member);
  next.set_text(TextOf(joining, leaving, members.size()));
  const auto ranks = static_cast<std::uint32_t>(members.size());
  next.set_ranks_wanted(request.asked ? request.ranks_wanted
                                      : std::max(request.ranks_wanted, ranks));
  return next;
}

std::optional<GenerationEnd::Resized> PlanBalance(const ResizeRequest& request,
                                                  const WorkAhead& ahead) {
  const std::vector<std::uint32_t> threads = ThreadsByRank(request.job, request.roster);
  const std::uint32_t all_threads = std::accumulate(threads.begin(), threads.end(), 0U);
  const std::uint32_t fair = FairShare(all_threads, request.job.train().partitions());
  std::uint32_t most = 0;
  for (std::size_t rank = 0; rank < threads.size(); ++rank) {
    const auto place = request.places.find(request.roster.members()[rank].id);
    Check(place != request.places.end(), "who trains has partitions");
    most = std::max(most, FairShare(threads[rank], place->second.size()));
  }
  // The others wait for whoever has the most.
  const double won = ahead.epochs * (1 - static_cast<double>(fair) / std::max(most, fair));
  if (won <= (ahead.reads_all_again ? kCostOfAll : kCostOfRows)) return std::nullopt;
  GenerationEnd::Resized next;
  for (const RosterMember& member : request.roster.members()) {
    *next.add_members() = EntryOf(member);
  }
  next.set_text(absl::StrCat("partitions are dealt evenly again after a loss, ", fair,
                             " a thread at most instead of ", most, "; ", threads.size(),
                             " ranks go on in place"));
  next.set_ranks_wanted(request.ranks_wanted);
  return next;
}

}  // namespace cf
